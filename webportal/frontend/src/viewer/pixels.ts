/** Loads radiographs at full bit depth from the portal into Cornerstone3D. */

import { cache, Enums, imageLoader, metaData, type Types, utilities } from "@cornerstonejs/core";

import type { OverlayPlanes } from "./overlay";
import type { Shutter } from "./shutter";

const SCHEME = "chestline";
/** About twenty large radiographs. The document may stay open all day, so the oldest are evicted. */
const CACHE_BYTES = 512 * 1024 ** 2;
const TYPES = { Uint8Array, Uint16Array, Int16Array };

/** The header that precedes the pixels; see `pack` in webportal/review/study/pixel_views.py. */
export interface PixelHeader {
  rows: number;
  columns: number;
  type: keyof typeof TYPES;
  lower: number;
  upper: number;
  isInverted: boolean;
  hasStoredValues: boolean;
  spacing: [number, number] | null;
  /** Ratio of pixel height to width, used if there is no spacing. */
  aspect: number;
  isCalibrated: boolean;
  orientation: [string, string];
  /** The file's overlay planes; null if it has none. */
  overlay: OverlayPlanes | null;
  /** What the file hides of the picture; null if nothing. Headers cached by an earlier version have none. */
  shutter?: Shutter | null;
  /** Notes for the reader on display attributes of the file that could not be applied. */
  notes: string[];
}

export type Pixels = Uint8Array | Uint16Array | Int16Array;

/** The portal's message on why it cannot provide an image. */
export class ImageRefused extends Error {}

const headers = new Map<string, PixelHeader>();

export function imageId(address: string): string {
  return `${SCHEME}:${address}`;
}

/** The header of an image that was loaded. */
export function headerOf(id: string): PixelHeader {
  const header = headers.get(id);
  if (!header) throw new Error(`${id} is not loaded`);
  return header;
}

/** Pixel height and width: in millimetres, or relative to a width of 1 if the file is uncalibrated. */
export function pixelSize({ spacing, aspect }: PixelHeader): [number, number] {
  return spacing ?? [aspect, 1];
}

export function registerPixels(): void {
  imageLoader.registerImageLoader(SCHEME, (id, options) => ({
    promise: load(id, options?.["requestType"] === Enums.RequestType.Prefetch),
  }));
  metaData.addProvider(describe);
  cache.setMaxCacheSize(CACHE_BYTES);
}

async function load(id: string, isAhead: boolean): Promise<Types.IImage> {
  const priority = isAhead ? "low" : "auto";
  const response = await fetch(id.slice(SCHEME.length + 1), { priority });
  if (response.headers.get("Content-Type")?.startsWith("application/json")) {
    throw new ImageRefused(((await response.json()) as { detail: string }).detail);
  }
  // After a sign-out the portal responds with the sign-in page.
  if (!response.ok || response.redirected) throw new Error(`The portal answered ${response.status}`);
  const bytes = await response.arrayBuffer();
  const length = new DataView(bytes).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length))) as PixelHeader;
  const pixels = new TYPES[header.type](bytes, 4 + length, header.rows * header.columns);
  if (header.overlay) header.overlay.bits = new Uint8Array(bytes, 4 + length + pixels.byteLength);
  headers.set(id, header);
  return image(id, header, pixels);
}

function image(id: string, header: PixelHeader, pixels: Pixels): Types.IImage {
  const { rows, columns, lower, upper } = header;
  const [rowSpacing, columnSpacing] = pixelSize(header);
  const { min, max } = range(pixels);
  const { windowWidth, windowCenter } = utilities.windowLevel.toWindowLevel(lower, upper);
  return {
    imageId: id,
    minPixelValue: min,
    maxPixelValue: max,
    slope: 1,
    intercept: 0,
    windowCenter,
    windowWidth,
    voiLUTFunction: Enums.VOILUTFunctionType.LINEAR,
    getPixelData: () => pixels,
    getCanvas: () => {
      throw new Error("The pixels are not in a canvas");
    },
    rows,
    columns,
    height: rows,
    width: columns,
    color: false,
    rgba: false,
    numberOfComponents: 1,
    columnPixelSpacing: columnSpacing,
    rowPixelSpacing: rowSpacing,
    invert: header.isInverted,
    photometricInterpretation: photometric(header),
    sizeInBytes: pixels.byteLength,
    dataType: header.type,
    calibration: calibration(header),
    voxelManager: utilities.VoxelManager.createImageVoxelManager({
      width: columns,
      height: rows,
      scalarData: pixels,
      numberOfComponents: 1,
    }) as Types.IVoxelManager<number>,
  };
}

/** Without this, Cornerstone reports lengths in millimetres even for uncalibrated images. */
function calibration(header: PixelHeader): Types.IImageCalibration {
  const { CalibrationTypes } = Enums;
  if (!header.spacing) return { type: CalibrationTypes.UNCALIBRATED };
  const { NOT_APPLICABLE, PROJECTION } = CalibrationTypes;
  return { type: header.isCalibrated ? NOT_APPLICABLE : PROJECTION };
}

function photometric(header: PixelHeader): string {
  return header.isInverted ? "MONOCHROME1" : "MONOCHROME2";
}

function range(pixels: Pixels): { min: number; max: number } {
  let min = Infinity;
  let max = -Infinity;
  for (let index = 0; index < pixels.length; index++) {
    const value = pixels[index] as number;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return { min, max };
}

/** Metadata provider for Cornerstone. */
function describe(module: string, id: string): unknown {
  const header = headers.get(id);
  if (!header) return undefined;
  const { rows, columns, type } = header;
  const [rowPixelSpacing, columnPixelSpacing] = pixelSize(header);
  const bits = type === "Uint8Array" ? 8 : 16;
  switch (module) {
    case Enums.MetadataModules.IMAGE_PIXEL:
      return {
        rows,
        columns,
        samplesPerPixel: 1,
        photometricInterpretation: photometric(header),
        bitsAllocated: bits,
        bitsStored: bits,
        highBit: bits - 1,
        pixelRepresentation: type === "Int16Array" ? 1 : 0,
      };
    case Enums.MetadataModules.IMAGE_PLANE:
      return {
        rows,
        columns,
        frameOfReferenceUID: id,
        imageOrientationPatient: [1, 0, 0, 0, 1, 0],
        rowCosines: [1, 0, 0],
        columnCosines: [0, 1, 0],
        imagePositionPatient: [0, 0, 0],
        rowPixelSpacing,
        columnPixelSpacing,
      };
    case Enums.MetadataModules.GENERAL_SERIES:
      return { modality: "DX" };
    default:
      return undefined;
  }
}
