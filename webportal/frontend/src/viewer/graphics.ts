/**
 * Detects a lost WebGL context. The browser drops contexts after a driver fault, after sleep, or when too
 * many are in use; Cornerstone does not notice and still reports images as rendered.
 */

import { getShouldUseCPURendering, type RenderingEngine } from "@cornerstonejs/core";

import type { Life } from "../life";
import { stopStudies } from "../swap";

/** Enough for two panes and the lens; browsers allow about 16 contexts across all pages. */
export const CONTEXTS = 3;

/** The viewport's WebGL context; null with CPU rendering. */
function contextOf(engine: RenderingEngine, viewportId: string): WebGLRenderingContext | null {
  if (getShouldUseCPURendering()) return null;
  const renderWindow = engine.getOffscreenMultiRenderWindow(viewportId).getOpenGLRenderWindow();
  return renderWindow.get3DContext() as WebGLRenderingContext | null;
}

/**
 * Call `lost` when a viewport loses its WebGL context. This document cannot get it back, so the next
 * study is opened in a new one. Returns a function that checks for the loss directly, because the
 * browser's event arrives with a delay.
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
