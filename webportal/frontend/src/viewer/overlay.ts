/** The overlay planes of a file, drawn over its image: side markers, regions, text. */

import { type Corner, layBetween } from "./layer";
import type { PixelHeader } from "./pixels";

/** A light blue that neither measurements nor marks nor the heat map have; alpha, blue, green, red. */
const COLOR = 0xff_ff_e3_7f;

/** What a file lays over its picture: a bit for each pixel, row by row, the lowest bit first. */
export interface OverlayPlanes {
  planes: number;
  /** How many planes the file announces but does not hold as it should. */
  unreadable: number;
  /** Something of them lies beside the picture. */
  isCut: boolean;
  bits: Uint8Array;
}

/** The part of the picture in which planes draw, in pixels of the stored image. */
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
  /** How many pixels of the image, across and down, are one of the canvas. */
  private step = 0;

  /** Lies over the canvas with the picture, under what is measured on it. */
  constructor(canvas: HTMLElement) {
    this.canvas.className = "pane-overlay";
    this.canvas.hidden = true;
    canvas.after(this.canvas);
  }

  /** Whether the picture has one that draws anything. */
  get exists(): boolean {
    return this.box !== null;
  }

  /** Whether it is switched off although there is one. */
  get isHidden(): boolean {
    return this.exists && !this.isWanted;
  }

  /** Draw the planes of an image from now on; null is none. */
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

  /** Lay it between three corners of the whole picture, `scale` pixels of the screen to each of it. */
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

  /** In a small picture a pixel stands for several, and is drawn when one of them is: no line is lost. */
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

/** Around all that is drawn; null where that is nothing. */
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
