/** What of a picture is on the screen: places in shares of the picture, in the world, and the scale. */

import type { Types } from "@cornerstonejs/core";

import { cornerOf, extentOf } from "./camera";
import type { Turn } from "./orientation";
import type { PixelHeader } from "./pixels";

export type Point = [number, number];

/** What two panes can share, free of either picture's size and greys. */
export interface View {
  turn: Turn;
  isFitted: boolean;
  /** How many times larger than fitted. */
  zoom: number;
  /** Which point of the picture is in the middle, in shares of its width and height. */
  centre: Point;
  /** The window in shares of the range that the file asks for, counted from what it shows dark. */
  lower: number;
  upper: number;
  isInverted: boolean;
}

/** Where shares of a picture's width and height are in Cornerstone's world. */
export function worldOf(header: PixelHeader, [x, y]: Point): Types.Point3 {
  const [width, height] = extentOf(header);
  const [left, top] = cornerOf(header);
  return [left + x * width, top + y * height, 0];
}

/** Which shares of a picture's width and height are at a point of Cornerstone's world. */
export function shareOf(header: PixelHeader, [x, y]: Types.Point3): Point {
  const [width, height] = extentOf(header);
  const [left, top] = cornerOf(header);
  return [(x - left) / width, (y - top) / height];
}

/** Cornerstone's parallel scale at which the whole picture just fits into the element. */
export function fittedScale(header: PixelHeader, turn: Turn, element: HTMLElement): number {
  const [width, height] = extentOf(header);
  const isLying = turn.rotation % 180 !== 0;
  const [across, down] = isLying ? [height, width] : [width, height];
  const { clientWidth, clientHeight } = element;
  return Math.max(down, (across * clientHeight) / Math.max(clientWidth, 1)) / 2;
}
