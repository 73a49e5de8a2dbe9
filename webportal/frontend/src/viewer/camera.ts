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

/** How far before the picture the camera stands; any distance looks the same. */
const DISTANCE = 1000;

/** What is in the middle, and half the height of what is seen, in Cornerstone's world. */
export interface Camera {
  focalPoint: Types.Point3;
  parallelScale: number;
}

/** Cornerstone's way between its world and pixels; its own types know only half of it. */
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
 * Let tools that round a place to a pixel meet the pixel in which the place lies: to them a whole
 * number is the middle of a pixel, to the processor's code it is the edge.
 */
function countFromMiddles(viewport: StackViewport): void {
  const getImageData = viewport.getImageData.bind(viewport);
  viewport.getImageData = () => {
    const image = getImageData();
    // There is none before the first picture.
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
 * Let pixels that are no squares be as large as the camera says: the processor's code reads its
 * scale as that of a pixel's height, and draws it as that of the smaller side.
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
    // From behind the picture it is mirrored.
    viewPlaneNormal: [0, 0, side],
    focalPoint,
    position: [x, y, z + side * DISTANCE],
    parallelScale,
  });
}

/** Width and height of a whole picture, in the unit of `pixelSize`. */
export function extentOf(header: PixelHeader): [number, number] {
  const [height, width] = pixelSize(header);
  return [header.columns * width, header.rows * height];
}

/** The upper left corner: WebGL counts from the middle of the first pixel, the processor's code not. */
export function cornerOf(header: PixelHeader): [number, number] {
  if (getShouldUseCPURendering()) return [0, 0];
  const [height, width] = pixelSize(header);
  return [-width / 2, -height / 2];
}
