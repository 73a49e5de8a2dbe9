/** The layers above a pane's image that move with it: shutter, heat map and overlay planes. */

import { HeatmapLayer } from "./heatmap";
import { OverlayLayer } from "./overlay";
import type { ImageEntry } from "./page";
import type { PixelHeader } from "./pixels";
import { ShutterLayer } from "./shutter";
import type { Point } from "./view";

export class Layers {
  readonly heatmap: HeatmapLayer;
  readonly overlay: OverlayLayer;
  readonly shutter: ShutterLayer;

  constructor(canvas: HTMLElement) {
    this.overlay = new OverlayLayer(canvas);
    this.heatmap = new HeatmapLayer(canvas);
    this.shutter = new ShutterLayer(canvas);
  }

  show(image: ImageEntry, header: PixelHeader): void {
    this.heatmap.show(image.heatmap);
    this.overlay.show(header);
    this.shutter.show(header);
  }

  clear(): void {
    this.heatmap.show("");
    this.overlay.show(null);
    this.shutter.show(null);
  }

  /**
   * Fit them to three corners of the image (top left, top right, bottom left), in pane pixels. Returns
   * the scale: screen pixels per image pixel, for an image of `columns` columns.
   */
  place(corners: [Point, Point, Point], columns: number): number {
    const [topLeft, topRight] = corners;
    const scale = Math.hypot(topRight[0] - topLeft[0], topRight[1] - topLeft[1]) / columns;
    this.heatmap.place(...corners);
    this.overlay.place(...corners, scale);
    this.shutter.place(...corners);
    return scale;
  }
}
