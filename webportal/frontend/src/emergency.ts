import { onEachPage } from "./life";

const TICK_MS = 5000;

/**
 * Count the minutes of running emergency accesses and offer to renew them in the last ones. When one
 * has ended, reload the page, because it may show what is no longer to be seen; but not while
 * somebody types or sends files.
 */
export function countEmergencies(): void {
  const ends = new WeakMap<HTMLElement, number>();
  let isChanged = false;
  const changes = (): void => {
    isChanged = true;
  };
  for (const kind of ["input", "change"]) document.addEventListener(kind, changes, { capture: true });
  onEachPage(() => {
    isChanged = false;
  });
  const count = (): void => {
    for (const banner of document.querySelectorAll<HTMLElement>("[data-emergency]")) {
      const end = ends.get(banner) ?? Date.now() + Number(banner.dataset["emergency"]) * 1000;
      ends.set(banner, end);
      const left = end - Date.now();
      const minutes = banner.querySelector("[data-minutes]");
      if (minutes) minutes.textContent = String(Math.max(Math.ceil(left / 60_000), 0));
      if (left <= Number(banner.dataset["renewable"]) * 1000) show(banner, "[data-renew]", true);
      if (left > 0) continue;
      banner.removeAttribute("data-emergency");
      const isBusy = isChanged || document.querySelector("[data-sending]") !== null;
      if (!isBusy) return window.location.reload();
      show(banner, "[data-running]", false);
      show(banner, "[data-ended]", true);
    }
  };
  count();
  setInterval(count, TICK_MS);
}

function show(banner: HTMLElement, selector: string, isShown: boolean): void {
  for (const part of banner.querySelectorAll<HTMLElement>(selector)) part.hidden = !isShown;
}
