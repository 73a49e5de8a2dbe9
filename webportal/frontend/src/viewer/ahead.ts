/** Prefetches the images of the studies likely to be read next. */

import { cache, Enums, imageLoader } from "@cornerstonejs/core";

import type { Life } from "../life";
import { imageId } from "./pixels";

const AHEAD = { priority: 0, requestType: Enums.RequestType.Prefetch };

/** Cache the decoded pixels; they survive because the next study is opened without a page load. */
export async function fetchAhead(address: string, { signal }: Life): Promise<void> {
  await idle();
  if (signal.aborted) return;
  const response = await fetch(address, { priority: "low" });
  if (!response.ok || response.redirected) return;
  const { pixels } = (await response.json()) as { pixels: string[] };
  for (const one of pixels) {
    await idle();
    if (signal.aborted) return;
    await keep(imageId(one));
  }
}

/** Failures are retried, and reported, when the image is opened. */
async function keep(id: string): Promise<void> {
  if (cache.getImageLoadObject(id)) return;
  try {
    await cache.putImageLoadObject(id, { promise: imageLoader.loadImage(id, AHEAD) });
  } catch {
    return;
  }
}

function idle(): Promise<void> {
  return new Promise((resolve) => {
    if ("requestIdleCallback" in window) requestIdleCallback(() => resolve(), { timeout: 3000 });
    else setTimeout(resolve, 500);
  });
}
