/** Page data for the viewer, and viewer settings stored for the reader. */

/** One radiograph: the URL of its pixels, and its corner annotations. */
export interface ImageEntry {
  id: string;
  label: string;
  pixels: string;
  viewed: string;
  /** URL of its heat map; "" if it has none. */
  heatmap: string;
  /** Annotation lines for the upper left and the upper right corner. */
  patient: string[];
  study: string[];
}

/** A prior study of the patient. */
export interface PriorEntry {
  id: string;
  images: ImageEntry[];
}

/** A mark on an image, in image pixels; a point has width and height 0. */
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

/** A measurement saved with a read; its points are in image pixels. */
export interface Measurement {
  radiograph: string;
  kind: "length" | "angle" | "rectangle" | "ellipse";
  points: [number, number][];
  /** Value and unit. */
  words: string;
  /** Who signed it; missing while it is part of the reader's draft. */
  by?: string;
}

export interface PageData {
  reader: string;
  images: ImageEntry[];
  /** ID of the image displayed first; "" if there is none. */
  first: string;
  priors: PriorEntry[];
  /** Marks of signed reads, including those of priors. */
  marks: Mark[];
  /** Measurements of signed reads, including those of priors. */
  measurements: Measurement[];
  /** Labels of the findings that can be marked. */
  findings: Record<string, string>;
  /** URL that lists the studies likely to be read next. */
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

/** Stored in this browser per reader, because several readers share a workstation. */
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

/** The finding last chosen for a mark, stored while this tab is open. */
export class RememberedFinding {
  private readonly key: string;

  constructor(reader: string) {
    this.key = `chestline.finding.${reader}`;
  }

  /** "" if none has been chosen yet. */
  get value(): string {
    return sessionStorage.getItem(this.key) ?? "";
  }

  keep(finding: string): void {
    sessionStorage.setItem(this.key, finding);
  }
}
