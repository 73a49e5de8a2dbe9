/** How Cornerstone's camera looks at a picture: WebGL and the processor's code want it differently. */

import { type StackViewport, type Types, getShouldUseCPURendering } from "@cornerstonejs/core";

import type { Turn } from "./orientation";
import type { PixelHeader } from "./pixels";

/** How far before the picture the camera stands; any distance looks the same. */
const DISTANCE = 1000;

/** What is in the middle, and half the height of what is seen, in Cornerstone's world. */
export interface Camera {
  focalPoint: Types.Point3;
  parallelScale: number;
}

export function cameraOf(viewport: StackViewport): Camera {
  const { focalPoint, parallelScale } = viewport.getCamera();
  return { focalPoint: focalPoint as Types.Point3, parallelScale: parallelScale as number };
}

export function aim(viewport: StackViewport, { rotation, mirrored }: Turn, camera: Camera): void {
  const { focalPoint, parallelScale } = camera;
  if (getShouldUseCPURendering()) {
    viewport.setViewPresentation({ rotation });
    viewport.setCamera({ flipHorizontal: mirrored, flipVertical: false });
    viewport.setCamera({ parallelScale });
    viewport.setCamera({ focalPoint });
    return;
  }
  const angle = (rotation * Math.PI) / 180;
  const side = mirrored ? 1 : -1;
  const [x, y, z] = focalPoint;
  viewport.setCamera({
    viewUp: [side * Math.sin(angle), -Math.cos(angle), 0],
    // From behind the picture it is mirrored.
    viewPlaneNormal: [0, 0, side],
    focalPoint,
    position: [x, y, z + side * DISTANCE],
    parallelScale,
  });
}

/** Width and height in millimetres, or in pixels where the file gives no spacing. */
export function extentOf({ rows, columns, spacing }: PixelHeader): [number, number] {
  return [columns * (spacing?.[1] ?? 1), rows * (spacing?.[0] ?? 1)];
}

/** The upper left corner: WebGL counts from the middle of the first pixel, the processor's code not. */
export function cornerOf({ spacing }: PixelHeader): [number, number] {
  if (getShouldUseCPURendering()) return [0, 0];
  const [row, column] = spacing ?? [1, 1];
  return [-column / 2, -row / 2];
}
