/** Whether a key is a single character and the user has switched those off (WCAG 2.1.4). */
export function isSwitchedOff(event: KeyboardEvent): boolean {
  return event.key.length === 1 && document.body.dataset["shortcuts"] === "off";
}
