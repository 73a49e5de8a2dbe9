/** The model's heat map: an image placed exactly over the displayed radiograph. */

import { type Corner, layBetween } from "./layer";

/** Side of the square element, in pixels; arbitrary, because it is stretched over the image. */
const SIDE = 512;

export class HeatmapLayer {
  readonly image = document.createElement("img");
  private source = "";
  private isWanted = false;

  /** Stacked above the image canvas and below the measurements. */
  constructor(canvas: HTMLElement) {
    this.image.className = "pane-heatmap";
    this.image.alt = "";
    this.image.hidden = true;
    this.image.width = this.image.height = SIDE;
    canvas.after(this.image);
  }

  /** Whether the image has a heat map. */
  get exists(): boolean {
    return this.source !== "";
  }

  /** Load the heat map at a URL; "" for none. */
  show(source: string): void {
    this.source = source;
    this.image.removeAttribute("src");
    this.update();
  }

  set(isWanted: boolean, opacity: number): void {
    this.isWanted = isWanted;
    this.image.style.opacity = String(opacity / 100);
    this.update();
  }

  private update(): void {
    const isShown = this.isWanted && this.exists;
    if (isShown && !this.image.hasAttribute("src")) this.image.src = this.source;
    this.image.hidden = !isShown;
  }

  /** Fit it to three corners of the image, in screen pixels. */
  place(topLeft: Corner, topRight: Corner, bottomLeft: Corner): void {
    layBetween(this.image, [SIDE, SIDE], topLeft, topRight, bottomLeft);
  }
}
