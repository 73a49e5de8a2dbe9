/** Draws a file's DICOM overlay planes over its image: side markers, regions, text. */

import { type Corner, layBetween } from "./layer";
import type { PixelHeader } from "./pixels";

/** Light blue, distinct from measurements, marks and heat map; byte order alpha, blue, green, red. */
const COLOR = 0xff_ff_e3_7f;

/** A file's overlay planes combined: one bit per pixel, row by row, least significant bit first. */
export interface OverlayPlanes {
  planes: number;
  /** Number of overlay planes declared in the file but missing or malformed. */
  unreadable: number;
  /** Whether part of an overlay lies outside the image. */
  isCut: boolean;
  bits: Uint8Array;
}

/** Bounding box of the overlays, in stored image pixels. */
interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

export class OverlayLayer {
  private readonly canvas = document.createElement("canvas");
  private header: PixelHeader | null = null;
  private box: Box | null = null;
  private isWanted = true;
  /** Image pixels per canvas pixel, horizontally and vertically. */
  private step = 0;

  /** Stacked above the image canvas and below the measurements. */
  constructor(canvas: HTMLElement) {
    this.canvas.className = "pane-overlay";
    this.canvas.hidden = true;
    canvas.after(this.canvas);
  }

  /** Whether the image has an overlay with at least one pixel set. */
  get exists(): boolean {
    return this.box !== null;
  }

  /** Whether the image has an overlay that is switched off. */
  get isHidden(): boolean {
    return this.exists && !this.isWanted;
  }

  /** Use the overlay of an image; null for none. */
  show(header: PixelHeader | null): void {
    this.header = header;
    this.step = 0;
    this.box = header?.overlay?.planes ? boxOf(header, header.overlay.bits) : null;
    this.canvas.hidden = !this.isWanted || !this.box;
  }

  set(isWanted: boolean): void {
    this.isWanted = isWanted;
    this.canvas.hidden = !isWanted || !this.box;
  }

  /** Fit it to three corners of the whole image; `scale` is screen pixels per image pixel. */
  place(topLeft: Corner, topRight: Corner, bottomLeft: Corner, scale: number): void {
    const { box, header } = this;
    if (!box || !header) return;
    this.draw(box, header, 2 ** Math.max(0, Math.floor(Math.log2(1 / scale))));
    const { rows, columns } = header;
    const at = (column: number, row: number): Corner => [
      topLeft[0] +
        ((topRight[0] - topLeft[0]) * column) / columns +
        ((bottomLeft[0] - topLeft[0]) * row) / rows,
      topLeft[1] +
        ((topRight[1] - topLeft[1]) * column) / columns +
        ((bottomLeft[1] - topLeft[1]) * row) / rows,
    ];
    const [right, bottom] = [
      box.left + this.canvas.width * this.step,
      box.top + this.canvas.height * this.step,
    ];
    layBetween(
      this.canvas,
      [this.canvas.width, this.canvas.height],
      at(box.left, box.top),
      at(right, box.top),
      at(box.left, bottom),
    );
  }

  /** When downsampling, a canvas pixel is set if any of its image pixels is, so that no line is lost. */
  private draw(box: Box, { columns, overlay }: PixelHeader, step: number): void {
    if (step === this.step || !overlay) return;
    this.step = step;
    this.canvas.width = Math.ceil(box.width / step);
    this.canvas.height = Math.ceil(box.height / step);
    const { width, height } = this.canvas;
    const context = this.canvas.getContext("2d") as CanvasRenderingContext2D;
    const drawn = new ImageData(width, height);
    const colours = new Uint32Array(drawn.data.buffer);
    for (let row = 0; row < box.height; row++) {
      const start = (box.top + row) * columns + box.left;
      const line = Math.floor(row / step) * width;
      for (let column = 0; column < box.width; column++) {
        if (isDrawn(overlay.bits, start + column)) colours[line + Math.floor(column / step)] = COLOR;
      }
    }
    context.putImageData(drawn, 0, 0);
  }
}

function isDrawn(bits: Uint8Array, pixel: number): boolean {
  return (((bits[pixel >> 3] as number) >> (pixel & 7)) & 1) === 1;
}

/** Bounding box of the pixels that are set; null if none is. */
function boxOf({ rows, columns }: PixelHeader, bits: Uint8Array): Box | null {
  let [left, top, right, bottom] = [columns, rows, -1, -1];
  for (let byte = 0; byte < bits.length; byte++) {
    if (bits[byte] === 0) continue;
    for (let pixel = byte * 8; pixel < byte * 8 + 8; pixel++) {
      if (!isDrawn(bits, pixel)) continue;
      const row = Math.floor(pixel / columns);
      const column = pixel - row * columns;
      left = Math.min(left, column);
      right = Math.max(right, column);
      top = Math.min(top, row);
      bottom = row;
    }
  }
  return right < 0 ? null : { left, top, width: right - left + 1, height: bottom - top + 1 };
}
