/** Zooms with the mouse wheel around the pointer. */

import type { Pane } from "./pane";

const STEP = 1.15;

export function watchWheel(pane: Pane): void {
  const { element } = pane;
  const turn = (event: WheelEvent): void => {
    event.preventDefault();
    const notches = Math.max(-3, Math.min(3, event.deltaY / 100));
    const box = element.getBoundingClientRect();
    pane.zoomAt([event.clientX - box.left, event.clientY - box.top], STEP ** -notches);
  };
  element.addEventListener("wheel", turn, { passive: false });
}
