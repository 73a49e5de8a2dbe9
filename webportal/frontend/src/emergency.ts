const TICK_MS = 5000;

/** Count the minutes of a running emergency access; load the page anew when it has ended. */
export function countEmergencies(): void {
  const ends = new WeakMap<HTMLElement, number>();
  const count = (): void => {
    for (const banner of document.querySelectorAll<HTMLElement>("[data-emergency]")) {
      const end = ends.get(banner) ?? Date.now() + Number(banner.dataset["emergency"]) * 1000;
      ends.set(banner, end);
      const minutes = Math.ceil((end - Date.now()) / 60_000);
      const shown = banner.querySelector("[data-minutes]");
      if (shown) shown.textContent = String(Math.max(minutes, 0));
      // What was open by it is no longer to be seen; what has been typed asks first.
      if (minutes <= 0) {
        banner.removeAttribute("data-emergency");
        window.location.reload();
      }
    }
  };
  count();
  setInterval(count, TICK_MS);
}
