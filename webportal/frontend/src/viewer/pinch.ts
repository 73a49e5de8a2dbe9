/** Two-finger gestures: the image follows the fingers and zooms as they move apart. */

import type { Pane } from "./pane";
import type { Point } from "./view";

/** `began` is called when the second finger touches, before the view changes. */
export function watchPinch(pane: Pane, began: () => void): void {
  const { element } = pane;
  const fingers = new Map<number, Point>();
  const put = (event: PointerEvent): void => {
    const box = element.getBoundingClientRect();
    fingers.set(event.pointerId, [event.clientX - box.left, event.clientY - box.top]);
  };
  element.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "touch") return;
    put(event);
    if (fingers.size === 2) began();
  });
  element.addEventListener("pointermove", (event) => {
    if (!fingers.has(event.pointerId)) return;
    const before = span(fingers);
    put(event);
    const after = span(fingers);
    if (before && after) pane.zoomAt(before.middle, after.distance / before.distance, after.middle);
  });
  for (const end of ["pointerup", "pointercancel"] as const) {
    element.addEventListener(end, (event) => void fingers.delete(event.pointerId));
  }
}

/** Midpoint and distance of two fingers; null for any other number. */
function span(fingers: Map<number, Point>): { middle: Point; distance: number } | null {
  const [one, other] = [...fingers.values()];
  if (!one || !other || fingers.size !== 2) return null;
  return {
    middle: [(one[0] + other[0]) / 2, (one[1] + other[1]) / 2],
    distance: Math.max(1, Math.hypot(other[0] - one[0], other[1] - one[1])),
  };
}
