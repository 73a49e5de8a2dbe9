/** Places an element exactly over a pane's image, however it is zoomed, rotated or flipped. */

export type Corner = [number, number];

/**
 * Stretch an element of a size between three corners, in pixels of the pane. Its style needs
 * `transform-origin: 0 0` and a place at the upper left of the pane.
 */
export function layBetween(
  element: HTMLElement,
  [width, height]: Corner,
  topLeft: Corner,
  topRight: Corner,
  bottomLeft: Corner,
): void {
  const x = [(topRight[0] - topLeft[0]) / width, (topRight[1] - topLeft[1]) / width];
  const y = [(bottomLeft[0] - topLeft[0]) / height, (bottomLeft[1] - topLeft[1]) / height];
  element.style.transform = `matrix(${[...x, ...y, ...topLeft].join(", ")})`;
}
