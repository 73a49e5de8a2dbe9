/** Fetches what will probably be read next, while the reader looks at this. */

/** The answers stay in the browser's own cache, which the next page reads from. */
export async function fetchAhead(address: string): Promise<void> {
  await idle();
  const response = await fetch(address, { priority: "low" });
  if (!response.ok || response.redirected) return;
  const { pixels } = (await response.json()) as { pixels: string[] };
  for (const one of pixels) {
    await idle();
    // Read to the end: what is broken off is not kept.
    await (await fetch(one, { priority: "low" })).arrayBuffer();
  }
}

function idle(): Promise<void> {
  return new Promise((resolve) => {
    if ("requestIdleCallback" in window) requestIdleCallback(() => resolve(), { timeout: 3000 });
    else setTimeout(resolve, 500);
  });
}
