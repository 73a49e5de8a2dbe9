/** Page behaviour while the portal or its database is not responding. */

const ASK_SECONDS = 3;

/** On the error page: poll until the portal responds again, then load the requested page. */
export function returnWhenReady(): void {
  document.querySelector("[data-go-back]")?.addEventListener("click", () => history.back());
  const notice = document.querySelector<HTMLElement>("[data-returns]");
  if (!notice) return;
  const timer = setInterval(() => void ask(), ASK_SECONDS * 1000);
  const ask = async (): Promise<void> => {
    if (!(await isReady())) return;
    clearInterval(timer);
    // Never resubmit a form without asking.
    if (notice.dataset["returns"] === "by-itself") return location.reload();
    for (const text of notice.querySelectorAll<HTMLElement>("p")) text.hidden = !text.hidden;
  };
}

async function isReady(): Promise<boolean> {
  try {
    return (await fetch("/health/ready", { cache: "no-store" })).ok;
  } catch {
    return false;
  }
}

/** On every other page: warn that its content may be out of date, until a request succeeds. */
export function sayWhenAway(): void {
  const notice = document.querySelector<HTMLElement>("#away");
  if (!notice) return;
  const sayAway = (isAway: boolean): void => {
    notice.hidden = !isAway;
  };
  document.addEventListener("htmx:sendError", () => sayAway(true));
  document.addEventListener("htmx:timeout", () => sayAway(true));
  document.addEventListener("htmx:afterRequest", (event) => {
    const { status } = (event as CustomEvent<{ xhr: XMLHttpRequest }>).detail.xhr;
    if (status > 0) sayAway(status >= 500);
  });
}
