/** Page data for the viewer, and viewer settings stored for the reader. */

/** One radiograph: the URL of its pixels, and its corner annotations. */
export interface ImageEntry {
  id: string;
  label: string;
  pixels: string;
  viewed: string;
  /** URL of its heat map; "" if it has none. */
  heatmap: string;
  /** Lines for the upper left and the upper right corner. */
  patient: string[];
  study: string[];
}

/** An earlier study of the patient. */
export interface PriorEntry {
  id: string;
  images: ImageEntry[];
}

/** A place on an image, in its pixels; the width and height of a point are 0. */
export interface Mark {
  radiograph: string;
  finding: string;
  column: number;
  row: number;
  width: number;
  height: number;
  /** Who signed it; missing while it is part of the reader's draft. */
  by?: string;
}

/** A measurement that is kept with a read; its points are in pixels of the image. */
export interface Measurement {
  radiograph: string;
  kind: "length" | "angle" | "rectangle" | "ellipse";
  points: [number, number][];
  /** Its value with the unit. */
  words: string;
  /** Who signed it; missing while it is part of the reader's draft. */
  by?: string;
}

export interface PageData {
  reader: string;
  images: ImageEntry[];
  /** The id of the image that is shown first; "" when there is none. */
  first: string;
  priors: PriorEntry[];
  /** What was marked in signed reads, of earlier studies too. */
  marks: Mark[];
  /** What was measured in signed reads, of earlier studies too. */
  measurements: Measurement[];
  /** The findings that can be marked, in words. */
  findings: Record<string, string>;
  /** URL that lists what will probably be read next. */
  ahead: string;
  /** Actions by key. */
  keys: Record<string, string>;
  texts: Record<string, string>;
}

export function readPage(): PageData {
  return JSON.parse(find(document, "#viewer-data").textContent ?? "") as PageData;
}

export function find<T extends HTMLElement>(root: ParentNode, selector: string): T {
  const element = root.querySelector<T>(selector);
  if (!element) throw new Error(`The viewer's page lacks ${selector}`);
  return element;
}

export interface Settings {
  linked: boolean;
}

const DEFAULTS: Settings = { linked: true };

/** Kept in this browser for each reader, because several share a workstation. */
export class RememberedSettings {
  private readonly key: string;
  readonly values: Settings;

  constructor(reader: string) {
    this.key = `chestline.viewer.${reader}`;
    this.values = { linked: this.stored().linked ?? DEFAULTS.linked };
  }

  change(change: Partial<Settings>): void {
    Object.assign(this.values, change);
    localStorage.setItem(this.key, JSON.stringify(this.values));
  }

  private stored(): Partial<Settings> {
    try {
      return JSON.parse(localStorage.getItem(this.key) ?? "{}") as Partial<Settings>;
    } catch {
      return {};
    }
  }
}

/** The finding that a reader chose last for a mark, kept while this tab is open. */
export class RememberedFinding {
  private readonly key: string;

  constructor(reader: string) {
    this.key = `chestline.finding.${reader}`;
  }

  /** "" where none was chosen yet. */
  get value(): string {
    return sessionStorage.getItem(this.key) ?? "";
  }

  keep(finding: string): void {
    sessionStorage.setItem(this.key, finding);
  }
}
