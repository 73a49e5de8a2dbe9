/** The zones of the reading form lie as the picture does: what is at its right is at theirs. */

import { sidesOnScreen, type Turn } from "./orientation";

/** How a frontal view is laid by convention, for files that do not say it. */
const USUAL: [string, string] = ["L", "F"];

/**
 * Let the zones follow a picture, whose sides are named at the top, right, bottom and left of the
 * screen, or not at all where its file names none.
 */
export function followSides(names: string[], turn: Turn, texts: Record<string, string>): void {
  const zones = document.querySelector<HTMLElement>("[data-zones]");
  if (!zones) return;
  const isNamed = names.some((name) => name !== "");
  const [top, right, bottom, left] = isNamed ? names : sidesOnScreen(USUAL, turn);
  const isMirrored = right?.includes("R") || left?.includes("L") || false;
  // A lateral view has neither of the two at any edge.
  const isLying = !isMirrored && /[RL]/.test(`${top}${bottom}`) && !/[RL]/.test(`${right}${left}`);
  zones.classList.toggle("is-mirrored", isMirrored);
  const note = zones.querySelector<HTMLElement>("[data-zones-note]");
  if (!note) return;
  const words = [
    isMirrored ? texts["zonesMirrored"] : "",
    isLying ? texts["zonesLying"] : "",
    isNamed ? "" : texts["zonesUnnamed"],
  ];
  note.textContent = words.filter(Boolean).join(" ");
}
