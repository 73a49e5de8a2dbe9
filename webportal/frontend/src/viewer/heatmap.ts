/** The model's heat map: an image placed exactly over the displayed radiograph. */

import { type Corner, layBetween } from "./layer";

/** The side of the square that is laid on the picture; any size will do, for it is stretched. */
const SIDE = 512;

export class HeatmapLayer {
  readonly image = document.createElement("img");
  private source = "";
  private isWanted = false;

  /** Lies over the canvas with the picture, under what is measured on it. */
  constructor(canvas: HTMLElement) {
    this.image.className = "pane-heatmap";
    this.image.alt = "";
    this.image.hidden = true;
    this.image.width = this.image.height = SIDE;
    canvas.after(this.image);
  }

  /** Whether the image has one. */
  get exists(): boolean {
    return this.source !== "";
  }

  /** Use the map at a URL; "" for none. */
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

  /** Lay it between three corners of the picture, in pixels of the screen. */
  place(topLeft: Corner, topRight: Corner, bottomLeft: Corner): void {
    layBetween(this.image, [SIDE, SIDE], topLeft, topRight, bottomLeft);
  }
}
