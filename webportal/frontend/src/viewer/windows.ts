/** Window presets, derived from the image itself because radiographs have no standard pixel unit. */

import type { PixelHeader, Pixels } from "./pixels";

export interface GreyRange {
  lower: number;
  upper: number;
}

const SAMPLES = 40_000;

/** The range of a window preset, 1 to 5. */
export function windowOf(number: number, header: PixelHeader, pixels: Pixels): GreyRange {
  const { lower, upper } = header;
  if (number === 2) return share(header, pixels, 0.01, 0.55);
  if (number === 3) return share(header, pixels, 0.4, 0.995);
  if (number === 4) {
    const cut = (upper - lower) * 0.2;
    return { lower: lower + cut, upper: upper - cut };
  }
  if (number === 5) return share(header, pixels, 0, 1);
  return { lower, upper };
}

/** A window as fractions of the file's own range: 0 is its dark end on the screen, 1 the bright one. */
export function sharesOf(greys: GreyRange, header: PixelHeader): GreyRange {
  const range = header.upper - header.lower || 1;
  const lower = (greys.lower - header.lower) / range;
  const upper = (greys.upper - header.lower) / range;
  return fromDark({ lower, upper }, header);
}

/** The inverse of `sharesOf`. */
export function greysAt(shares: GreyRange, header: PixelHeader): GreyRange {
  const range = header.upper - header.lower || 1;
  const { lower, upper } = fromDark(shares, header);
  return { lower: header.lower + lower * range, upper: header.lower + upper * range };
}

/** Swap between counting from low values and from dark ones: MONOCHROME1 displays low values bright. */
function fromDark({ lower, upper }: GreyRange, header: PixelHeader): GreyRange {
  return header.isInverted ? { lower: 1 - upper, upper: 1 - lower } : { lower, upper };
}

/** The range between two quantiles of the pixels, counted from the dark end. */
function share(header: PixelHeader, pixels: Pixels, from: number, to: number): GreyRange {
  const sorted = sample(pixels);
  const at = (part: number): number => sorted[Math.round(part * (sorted.length - 1))] as number;
  const [lower, upper] = header.isInverted ? [at(1 - to), at(1 - from)] : [at(from), at(to)];
  return { lower, upper: Math.max(upper, lower + 1) };
}

function sample(pixels: Pixels): Pixels {
  // An odd step, so that the samples spread over all columns.
  const step = Math.max(1, Math.floor(pixels.length / SAMPLES)) | 1;
  return pixels.filter((_, index) => index % step === 0).sort();
}
