/** Covers what a file's display shutter hides: the unexposed border of a radiograph, which dazzles. */

import { type Corner, layBetween } from "./layer";
import type { PixelHeader } from "./pixels";

const SVG = "http://www.w3.org/2000/svg";

/** What is shown, in columns and rows from the upper left corner: only what lies within each shape. */
export interface Shutter {
  /** Left, right, upper and lower edge. */
  rectangle: [number, number, number, number] | null;
  /** Column and row of the centre, and the radius in columns. */
  circle: [number, number, number] | null;
  /** Column and row of each vertex. */
  polygon: Corner[] | null;
}

export class ShutterLayer {
  private readonly cover = document.createElementNS(SVG, "svg");
  private header: PixelHeader | null = null;
  private isWanted = true;

  /** Stacked directly above the image canvas, so that nothing drawn over the image is hidden. */
  constructor(canvas: HTMLElement) {
    this.cover.classList.add("pane-shutter");
    this.cover.setAttribute("aria-hidden", "true");
    canvas.after(this.cover);
    this.update();
  }

  /** Whether the image has a shutter. */
  get exists(): boolean {
    return Boolean(this.header?.shutter);
  }

  /** Whether the image has a shutter, and whether it covers or is lifted: the name of a text. */
  get state(): "" | "shutterOn" | "shutterLifted" {
    if (!this.exists) return "";
    return this.isWanted ? "shutterOn" : "shutterLifted";
  }

  /** Use the shutter of an image; null for none. */
  show(header: PixelHeader | null): void {
    this.header = header;
    this.cover.replaceChildren(...(header ? covers(header) : []));
    if (header) {
      this.cover.setAttribute("width", String(header.columns));
      this.cover.setAttribute("height", String(header.rows));
    }
    this.update();
  }

  set(isWanted: boolean): void {
    this.isWanted = isWanted;
    this.update();
  }

  /** Fit it to three corners of the whole image. */
  place(topLeft: Corner, topRight: Corner, bottomLeft: Corner): void {
    if (!this.header) return;
    layBetween(this.cover, [this.header.columns, this.header.rows], topLeft, topRight, bottomLeft);
  }

  private update(): void {
    this.cover.toggleAttribute("hidden", !this.exists || !this.isWanted);
  }
}

/** For each shape the image with a hole in it; together they hide what any shape hides. */
function covers(header: PixelHeader): SVGPathElement[] {
  return outlines(header).map((outline) => {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", `M0 0H${header.columns}V${header.rows}H0Z${outline}`);
    path.setAttribute("fill-rule", "evenodd");
    return path;
  });
}

function outlines({ shutter, aspect, spacing }: PixelHeader): string[] {
  if (!shutter) return [];
  const found: string[] = [];
  if (shutter.rectangle) {
    const [left, right, upper, lower] = shutter.rectangle;
    found.push(`M${left} ${upper}H${right}V${lower}H${left}Z`);
  }
  if (shutter.circle) {
    const [column, row, radius] = shutter.circle;
    // In rows, of which there are fewer to a millimetre if a pixel is higher than wide.
    const height = radius / (spacing ? spacing[0] / spacing[1] : aspect);
    const half = `${radius} ${height} 0 1 0`;
    found.push(`M${column - radius} ${row}a${half} ${2 * radius} 0a${half} ${-2 * radius} 0Z`);
  }
  if (shutter.polygon) {
    found.push(`M${shutter.polygon.map(([column, row]) => `${column} ${row}`).join("L")}Z`);
  }
  return found;
}
