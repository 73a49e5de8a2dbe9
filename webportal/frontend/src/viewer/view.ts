/** The visible part of an image; converts between image fractions and Cornerstone world coordinates. */

import type { Types } from "@cornerstonejs/core";

import { cornerOf, extentOf } from "./camera";
import type { Turn } from "./orientation";
import type { PixelHeader } from "./pixels";

export type Point = [number, number];

/** A view independent of image size and pixel values, so that two panes can share it. */
export interface View {
  turn: Turn;
  isFitted: boolean;
  /** Magnification relative to the fitted image. */
  zoom: number;
  /** Image position at the viewport's centre, as fractions of width and height. */
  centre: Point;
  /** The window as fractions of the file's own range, counted from its dark end. */
  lower: number;
  upper: number;
  isInverted: boolean;
}

/** Fractions of the image's width and height to world coordinates. */
export function worldOf(header: PixelHeader, [x, y]: Point): Types.Point3 {
  const [width, height] = extentOf(header);
  const [left, top] = cornerOf(header);
  return [left + x * width, top + y * height, 0];
}

/** World coordinates to fractions of the image's width and height. */
export function shareOf(header: PixelHeader, [x, y]: Types.Point3): Point {
  const [width, height] = extentOf(header);
  const [left, top] = cornerOf(header);
  return [(x - left) / width, (y - top) / height];
}

/** The parallel scale at which the whole image just fits the element. */
export function fittedScale(header: PixelHeader, turn: Turn, element: HTMLElement): number {
  const [width, height] = extentOf(header);
  const isLying = turn.rotation % 180 !== 0;
  const [across, down] = isLying ? [height, width] : [width, height];
  const { clientWidth, clientHeight } = element;
  return Math.max(down, (across * clientHeight) / Math.max(clientWidth, 1)) / 2;
}
