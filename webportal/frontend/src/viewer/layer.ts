/** Places an element exactly over a pane's image, however it is zoomed, rotated or flipped. */

export type Corner = [number, number];

/**
 * Stretch an element of the given size to three corners, in pane pixels. Its style must have
 * `transform-origin: 0 0` and position it at the upper left of the pane.
 */
export function layBetween(
  element: HTMLElement | SVGElement,
  [width, height]: Corner,
  topLeft: Corner,
  topRight: Corner,
  bottomLeft: Corner,
): void {
  const x = [(topRight[0] - topLeft[0]) / width, (topRight[1] - topLeft[1]) / width];
  const y = [(bottomLeft[0] - topLeft[0]) / height, (bottomLeft[1] - topLeft[1]) / height];
  element.style.transform = `matrix(${[...x, ...y, ...topLeft].join(", ")})`;
}
