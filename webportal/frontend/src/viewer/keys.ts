/** Keyboard shortcuts of the viewer, defined by the page, which also lists them. */

import type { Life } from "../life";
import { isSwitchedOff } from "../shortcuts";

const DIGIT = /^Digit([1-9])$/;
const TYPING =
  "textarea, select, [contenteditable], input:not([type=range]):not([type=radio]):not([type=checkbox])";

export function bindKeys(
  keys: Record<string, string>,
  stage: HTMLElement,
  { signal }: Life,
  act: (action: string) => void,
  isOfUse: (action: string) => boolean,
): void {
  const pressed = (event: KeyboardEvent): void => {
    const target = event.target as HTMLElement;
    if (event.ctrlKey || event.metaKey || event.altKey || isSwitchedOff(event)) return;
    if (target.closest(`dialog, .modal, ${TYPING}`)) return;
    const action = keys[nameOf(event)];
    if (!action || !isFree(event.key, target, stage) || !isOfUse(action)) return;
    event.preventDefault();
    act(action);
  };
  document.addEventListener("keydown", pressed, { signal });
}

/** Shifted digits go by physical key: the character they produce depends on the keyboard layout. */
function nameOf(event: KeyboardEvent): string {
  const digit = event.shiftKey ? DIGIT.exec(event.code)?.[1] : undefined;
  if (digit) return `Shift+${digit}`;
  return event.key.length === 1 ? event.key.toLowerCase() : event.key;
}

/** Whether the key is free for a shortcut, rather than needed by the focused button or input. */
function isFree(key: string, target: HTMLElement, stage: HTMLElement): boolean {
  // The heading has the focus after a study was opened without a page load.
  const isElsewhere = !target.matches("body, h1") && !stage.contains(target);
  if (key === " ") return !isElsewhere || target.closest("button, a, input, summary") === null;
  if (key.startsWith("Arrow") || key === "Backspace") return !isElsewhere || target.closest("input") === null;
  return true;
}
