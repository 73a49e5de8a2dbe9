import { isSwitchedOff } from "./shortcuts";

const TICK_MS = 250;
const TYPED_INTO = "textarea, select, input:not([type=radio]):not([type=checkbox]):not([type=range])";

/** Count down the seconds in which a signature can be taken back, and take it back on `u`. */
export function offerTakeBack(): void {
  const ends = new WeakMap<HTMLElement, number>();
  const count = (): void => {
    for (const form of document.querySelectorAll<HTMLElement>("[data-take-back]")) {
      const end = ends.get(form) ?? performance.now() + Number(form.dataset["takeBack"]) * 1000;
      ends.set(form, end);
      const left = Math.ceil((end - performance.now()) / 1000);
      // It keeps its space, so that nothing moves when it disappears.
      form.classList.toggle("is-over", left <= 0);
      const shown = form.querySelector("[data-seconds]");
      if (shown && left > 0) shown.textContent = String(left);
    }
  };
  count();
  setInterval(count, TICK_MS);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "u" || event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.target as HTMLElement;
    if (isSwitchedOff(event) || target.closest(`${TYPED_INTO}, dialog, .modal`)) return;
    document.querySelector<HTMLElement>("[data-take-back]:not(.is-over) button")?.click();
  });
}
