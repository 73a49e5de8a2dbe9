/** Keeps the lung zones of the reading form in the same orientation as the displayed image. */

import { sidesOnScreen, type Turn } from "./orientation";

/** The conventional orientation of a frontal view, for files without Patient Orientation. */
const USUAL: [string, string] = ["L", "F"];

/**
 * Orient the zones like the image. `names` are the patient directions at its top, right, bottom and left
 * edge, empty if the file has none.
 */
export function followSides(names: string[], turn: Turn, texts: Record<string, string>): void {
  const zones = document.querySelector<HTMLElement>("[data-zones]");
  if (!zones) return;
  const isNamed = names.some((name) => name !== "");
  const [top, right, bottom, left] = isNamed ? names : sidesOnScreen(USUAL, turn);
  const isMirrored = right?.includes("R") || left?.includes("L") || false;
  // In a lateral view, neither R nor L is at an edge.
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
