/**
 * The graphics card that draws the pictures, and that a browser may take it away: after a fault of the
 * driver, after sleep, or when many pages draw. Cornerstone goes on and says that it has drawn.
 */

import { getShouldUseCPURendering, type RenderingEngine } from "@cornerstonejs/core";

import type { Life } from "../life";
import { stopStudies } from "../swap";

/** At most the two pictures and the lens are drawn at once; a browser has 16 for all its pages. */
export const CONTEXTS = 3;

/** What a viewport is drawn with, null where the processor draws. */
function contextOf(engine: RenderingEngine, viewportId: string): WebGLRenderingContext | null {
  if (getShouldUseCPURendering()) return null;
  const renderWindow = engine.getOffscreenMultiRenderWindow(viewportId).getOpenGLRenderWindow();
  return renderWindow.get3DContext() as WebGLRenderingContext | null;
}

/**
 * Call `lost` when what a viewport is drawn with is gone. It does not come back to this document: the
 * next study is to be opened in a new one. Returns a function that says whether it is gone; the
 * browser tells of it a little later.
 */
export function watchGraphics(
  engine: RenderingEngine,
  viewportId: string,
  life: Life,
  lost: () => void,
): () => boolean {
  const context = contextOf(engine, viewportId);
  const tell = (): void => {
    stopStudies();
    lost();
  };
  context?.canvas.addEventListener("webglcontextlost", tell, { signal: life.signal });
  return () => context?.isContextLost() ?? false;
}
