/** Reports to the audit trail and the signing forms which images have been displayed. */

import { Enums } from "@cornerstonejs/core";

import { csrfToken } from "../csrf";
import { reportImageState } from "../gate";
import type { ImageEntry } from "./page";
import type { Pane } from "./pane";

const RETRY_MS = 3_000;

/** Report the image that a pane is about to draw, once it is drawn and the tab is visible. */
export function reportWhenDrawn(pane: Pane, image: ImageEntry): void {
  const onDrawn = (): void => {
    if (pane.image !== image) return;
    reportImageState(image.id, "drawn");
    void report(image);
  };
  pane.element.addEventListener(Enums.Events.IMAGE_RENDERED, onDrawn, { once: true });
}

async function report(image: ImageEntry): Promise<void> {
  await inSight();
  while (!(await isTaken(image))) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  reportImageState(image.id, "viewed");
}

/** Resolves when the tab is visible. */
function inSight(): Promise<void> {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve) => {
    document.addEventListener("visibilitychange", () => resolve(), { once: true });
  });
}

async function isTaken({ viewed }: ImageEntry): Promise<boolean> {
  try {
    const headers = { "X-CSRFToken": csrfToken() };
    const answer = await fetch(viewed, { method: "POST", headers, keepalive: true });
    return answer.ok && !answer.redirected;
  } catch {
    return false;
  }
}
