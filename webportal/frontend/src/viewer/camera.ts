/** Cornerstone's camera for an image: WebGL and CPU rendering need different settings. */

import {
  Enums,
  getShouldUseCPURendering,
  type RenderingEngine,
  type StackViewport,
  type Types,
} from "@cornerstonejs/core";

import type { Turn } from "./orientation";
import { type PixelHeader, pixelSize } from "./pixels";

/** Distance from the camera to the image plane; arbitrary under parallel projection. */
const DISTANCE = 1000;

/** Centre of the viewport, and half its visible height, in Cornerstone world coordinates. */
export interface Camera {
  focalPoint: Types.Point3;
  parallelScale: number;
}

/** Conversions between world and index coordinates, which Cornerstone's types declare only in part. */
interface Places {
  worldToIndex(world: Types.Point3): Types.Point3;
  indexToWorld(index: Types.Point3, world?: Types.Point3): Types.Point3;
}

export function openViewport(
  engine: RenderingEngine,
  viewportId: string,
  element: HTMLDivElement,
): StackViewport {
  engine.enableElement({ viewportId, type: Enums.ViewportType.STACK, element });
  const viewport = engine.getViewport(viewportId) as StackViewport;
  if (getShouldUseCPURendering()) {
    countFromMiddles(viewport);
    scaleByTheSmallerSide(viewport);
  }
  return viewport;
}

/**
 * Make tools that round a position pick the pixel that contains it: they take integer coordinates for
 * pixel centres, whereas CPU rendering takes them for pixel edges.
 */
function countFromMiddles(viewport: StackViewport): void {
  const getImageData = viewport.getImageData.bind(viewport);
  viewport.getImageData = () => {
    const image = getImageData();
    // There is no image data before the first image.
    if (!image) return image;
    const places = image.imageData as unknown as Places;
    const { worldToIndex, indexToWorld } = places;
    places.worldToIndex = (world) => {
      const [column, row] = worldToIndex(world);
      return [column - 0.5, row - 0.5, 0];
    };
    places.indexToWorld = ([column, row], world) => indexToWorld([column + 0.5, row + 0.5, 0], world);
    return image;
  };
}

/**
 * Correct the zoom for non-square pixels: CPU rendering reads the parallel scale in terms of the pixel
 * height, but draws it in terms of the shorter side.
 */
function scaleByTheSmallerSide(viewport: StackViewport): void {
  const setCamera = viewport.setCamera.bind(viewport);
  viewport.setCamera = (camera, ...rest) => {
    const { parallelScale } = camera;
    if (!parallelScale) return setCamera(camera, ...rest);
    const { rowPixelSpacing: height, columnPixelSpacing: width } = viewport.getCornerstoneImage();
    const scale = (parallelScale * height) / Math.min(height, width);
    setCamera({ ...camera, parallelScale: scale }, ...rest);
  };
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
    // Seen from behind, the image is mirrored.
    viewPlaneNormal: [0, 0, side],
    focalPoint,
    position: [x, y, z + side * DISTANCE],
    parallelScale,
  });
}

/** Width and height of an image, in the unit of `pixelSize`. */
export function extentOf(header: PixelHeader): [number, number] {
  const [height, width] = pixelSize(header);
  return [header.columns * width, header.rows * height];
}

/** The upper left corner: WebGL has its origin at the centre of the first pixel, CPU rendering at its edge. */
export function cornerOf(header: PixelHeader): [number, number] {
  if (getShouldUseCPURendering()) return [0, 0];
  const [height, width] = pixelSize(header);
  return [-width / 2, -height / 2];
}
