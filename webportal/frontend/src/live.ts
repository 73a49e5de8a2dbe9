import htmx from "htmx.org";

import { csrfToken } from "./csrf";
import { isLocked } from "./lock";

// Shorter than the portal's own timeout for an unresponsive database.
const LIVE_TIMEOUT_MS = 12_000;

interface LiveRequest {
  elt: Element;
  timeout: number;
  headers: Record<string, string>;
}

/**
 * Send the event `live` to every element with `data-live-seconds` at that interval while the page is
 * visible, and once when it becomes visible again. htmx's own `every` would also poll hidden pages.
 */
export function keepLive(): void {
  sayWhenSignedOut();
  document.addEventListener("htmx:configRequest", (event) => {
    const { detail } = event as CustomEvent<LiveRequest>;
    // Signing in again in another tab has invalidated this page's token.
    detail.headers["X-CSRFToken"] = csrfToken();
    if (detail.elt.matches("[data-live-seconds]")) detail.timeout = LIVE_TIMEOUT_MS;
  });
  const last = new WeakMap<Element, number>();
  const refresh = (): void => {
    if (document.hidden || isLocked()) return;
    for (const element of document.querySelectorAll<HTMLElement>("[data-live-seconds]")) {
      const seconds = Number(element.dataset["liveSeconds"]);
      const now = performance.now();
      const since = last.get(element);
      if (since === undefined) {
        last.set(element, now); // just loaded: fresh
      } else if (now - since >= seconds * 1000) {
        last.set(element, now);
        htmx.trigger(element, "live");
      }
    }
  };
  setInterval(refresh, 500);
  document.addEventListener("visibilitychange", refresh);
}

/** Report it instead of showing the sign-in page in place of the requested content. */
function sayWhenSignedOut(): void {
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { detail } = event as CustomEvent<{ xhr: XMLHttpRequest; shouldSwap: boolean }>;
    const notice = document.querySelector<HTMLElement>("#signed-out");
    if (!notice || !detail.xhr.responseURL) return;
    const isSignIn = new URL(detail.xhr.responseURL).pathname === notice.dataset["signIn"];
    notice.hidden = !isSignIn;
    if (isSignIn) detail.shouldSwap = false;
  });
}
