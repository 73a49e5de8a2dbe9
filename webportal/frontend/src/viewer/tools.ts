/** Configures Cornerstone3D's tools: one on the left button, others on fixed bindings. */

import { type Types as CoreTypes, eventTarget } from "@cornerstonejs/core";
import {
  AngleTool,
  addTool,
  annotation,
  cancelActiveManipulations,
  EllipticalROITool,
  Enums,
  LengthTool,
  PanTool,
  RectangleROITool,
  ToolGroupManager,
  type Types,
  utilities,
  WindowLevelTool,
  ZoomTool,
} from "@cornerstonejs/tools";

import type { Life } from "../life";
import { cornerOf } from "./camera";
import { KeptTool, MarkTool } from "./mark_tool";
import type { ImageEntry, Measurement } from "./page";
import { headerOf, imageId, pixelSize } from "./pixels";

const { MouseBindings, KeyboardBindings } = Enums;

/** Tools for the left button, by the `data-action` of their toolbar buttons. */
export const TOOL_NAMES: Record<string, string> = {
  "tool-window": WindowLevelTool.toolName,
  "tool-zoom": ZoomTool.toolName,
  "tool-pan": PanTool.toolName,
  "tool-length": LengthTool.toolName,
  "tool-angle": AngleTool.toolName,
  "tool-rectangle": RectangleROITool.toolName,
  "tool-ellipse": EllipticalROITool.toolName,
};
const MEASURING = [LengthTool, AngleTool, RectangleROITool, EllipticalROITool];
const KINDS: Record<string, Measurement["kind"]> = {
  [LengthTool.toolName]: "length",
  [AngleTool.toolName]: "angle",
  [RectangleROITool.toolName]: "rectangle",
  [EllipticalROITool.toolName]: "ellipse",
};
const GROUP = "reading";

/** A measurement drawn but not saved; `uid` is Cornerstone's annotation UID. */
export interface Finished extends Measurement {
  uid: string;
}

const STYLE = {
  color: "rgb(255, 214, 102)",
  colorHighlighted: "rgb(255, 236, 179)",
  colorSelected: "rgb(255, 236, 179)",
  textBoxColor: "rgb(255, 226, 143)",
  textBoxColorHighlighted: "rgb(255, 240, 196)",
  textBoxColorSelected: "rgb(255, 240, 196)",
  textBoxFontFamily: "system-ui, sans-serif",
  textBoxFontSize: "13px",
  lineWidth: "1.5",
};

interface Stats {
  length?: number;
  unit?: string;
  angle?: number;
  area?: number;
  areaUnit?: string;
  mean?: number;
  stdDev?: number;
}

type AddedEvent = CustomEvent<{
  annotation: { annotationUID?: string; metadata: { toolName: string } };
}>;
type Measured = { cachedStats: Record<string, Stats | undefined> };

export class Tools {
  private readonly group: Types.IToolGroup;
  private readonly texts: Record<string, string>;
  private readonly life: Life;
  /** Annotation UIDs of the measurements, in the order of drawing. */
  private drawn: string[] = [];
  private readonly finished = new Set<string>();

  constructor(texts: Record<string, string>, life: Life) {
    this.texts = texts;
    this.life = life;
    life.onEnd(() => {
      annotation.state.removeAllAnnotations();
      ToolGroupManager.destroyToolGroup(GROUP);
    });
    this.group = ToolGroupManager.createToolGroup(GROUP) as Types.IToolGroup;
    for (const tool of [WindowLevelTool, ZoomTool, PanTool, ...MEASURING]) {
      addTool(tool);
      this.group.addTool(tool.toolName, this.configuration(tool.toolName));
    }
    for (const tool of [MarkTool, KeptTool]) {
      addTool(tool);
      this.group.addTool(tool.toolName);
      this.group.setToolEnabled(tool.toolName);
    }
    const { style } = annotation.config;
    const styles = style.getDefaultToolStyles();
    style.setDefaultToolStyles({ ...styles, global: { ...styles["global"], ...STYLE } });
  }

  add(viewportId: string, engineId: string): void {
    this.group.addViewport(viewportId, engineId);
  }

  remove(viewportId: string, engineId: string): void {
    this.group.removeViewports(engineId, viewportId);
  }

  /** Bind the left button to `action`; it gets no Cornerstone tool if that is not in TOOL_NAMES. */
  choose(action: string): void {
    for (const name of Object.values(TOOL_NAMES)) this.group.setToolPassive(name);
    const chosen = TOOL_NAMES[action];
    // Fixed bindings: Shift and the middle button pan, the right button zooms.
    const bindings: Record<string, Types.IToolBinding[]> = {
      [PanTool.toolName]: [
        { mouseButton: MouseBindings.Auxiliary },
        { mouseButton: MouseBindings.Primary, modifierKey: KeyboardBindings.Shift },
      ],
      [ZoomTool.toolName]: [{ mouseButton: MouseBindings.Secondary }],
    };
    if (chosen) bindings[chosen] = [...(bindings[chosen] ?? []), { mouseButton: MouseBindings.Primary }];
    for (const [name, of] of Object.entries(bindings)) {
      this.group.setToolActive(name, { bindings: of });
    }
  }

  get count(): number {
    return this.drawn.length;
  }

  /** The finished measurements on these images. */
  finishedOn(images: ImageEntry[]): Finished[] {
    const byId = new Map(images.map((image) => [imageId(image.pixels), image.id]));
    return this.drawn.flatMap((uid) => {
      const found = annotation.state.getAnnotation(uid);
      const { referencedImageId: id = "", toolName = "" } = found?.metadata ?? {};
      const radiograph = byId.get(id);
      if (!found || !radiograph || !this.finished.has(uid)) return [];
      const kind = KINDS[toolName] as Measurement["kind"];
      const points = (found.data.handles?.points ?? []).map((point) => placeOn(id, point));
      const [stats] = Object.values((found.data as unknown as Measured).cachedStats);
      const words = this.lines(stats).at(-1) ?? "";
      return [{ uid, radiograph, kind, points: isArea(kind) ? corners(points) : points, words }];
    });
  }

  discard(uid: string): void {
    annotation.state.removeAnnotation(uid);
    this.redraw();
  }

  /** Call `onChange` whenever a measurement is added, finished, moved or removed. */
  watch(onChange: () => void): void {
    this.listen(Enums.Events.ANNOTATION_ADDED, (event) => {
      if (isMark(event)) return;
      this.drawn.push(event.detail.annotation.annotationUID as string);
      onChange();
    });
    this.listen(Enums.Events.ANNOTATION_COMPLETED, (event) => {
      this.finished.add(event.detail.annotation.annotationUID as string);
      onChange();
    });
    this.listen(Enums.Events.ANNOTATION_MODIFIED, (event) => {
      if (this.finished.has(event.detail.annotation.annotationUID as string)) onChange();
    });
    this.listen(Enums.Events.ANNOTATION_REMOVED, (event) => {
      if (isMark(event)) return;
      this.drawn = this.drawn.filter((uid) => uid !== event.detail.annotation.annotationUID);
      onChange();
    });
  }

  /** Cornerstone's event target outlives the page, so listeners end with the page's life. */
  private listen(kind: string, heard: (event: AddedEvent) => void): void {
    const listener = heard as EventListener;
    eventTarget.addEventListener(kind, listener);
    this.life.onEnd(() => eventTarget.removeEventListener(kind, listener));
  }

  /** Discard the measurement being drawn. */
  cancel(elements: HTMLDivElement[]): void {
    const unfinished = this.drawn.filter((uid) => !this.finished.has(uid));
    for (const element of elements) {
      const uid = cancelActiveManipulations(element);
      if (uid && unfinished.includes(uid)) annotation.state.removeAnnotation(uid);
    }
    this.redraw();
  }

  deleteLast(): void {
    const last = this.drawn.at(-1);
    if (last) annotation.state.removeAnnotation(last);
    this.redraw();
  }

  deleteAll(): void {
    for (const uid of [...this.drawn]) annotation.state.removeAnnotation(uid);
    this.redraw();
  }

  private redraw(): void {
    utilities.triggerAnnotationRenderForViewportIds(this.group.getViewportIds());
  }

  private configuration(name: string): object {
    if (name === ZoomTool.toolName) return { zoomToCenter: false, pinchToZoom: false };
    return {
      getTextLines: (data: Measured, target: string) => this.lines(data.cachedStats[target]),
    };
  }

  private lines(stats: Stats | undefined): string[] {
    if (!stats) return [];
    const { length, angle, area, mean, stdDev } = stats;
    const lines = [];
    if (length !== undefined) lines.push(`${length.toFixed(1)} ${this.unit(stats.unit)}`);
    if (angle !== undefined) lines.push(`${angle.toFixed(1)}°`);
    if (mean !== undefined && stdDev !== undefined) {
      lines.push(`${this.texts["mean"]} ${mean.toFixed(1)}`);
      lines.push(`${this.texts["deviation"]} ${stdDev.toFixed(1)}`);
    }
    if (area !== undefined) lines.push(`${area.toFixed(0)} ${this.unit(stats.areaUnit)}`);
    return lines;
  }

  private unit(unit = ""): string {
    return unit.replace("Proj", this.texts["atDetector"] ?? "");
  }
}

/** Whether the annotation belongs to a read, and is thus drawn from the reading form. */
function isMark({ detail }: AddedEvent): boolean {
  const { toolName } = detail.annotation.metadata;
  return toolName === MarkTool.toolName || toolName === KeptTool.toolName;
}

/** World coordinates to stored image pixels. */
function placeOn(id: string, [x, y]: CoreTypes.Point3): [number, number] {
  const header = headerOf(id);
  const [height, width] = pixelSize(header);
  const [left, top] = cornerOf(header);
  return [within((x - left) / width, header.columns), within((y - top) / height, header.rows)];
}

/** Clamped to the image, and rounded to hundredths of a pixel, the precision that the portal stores. */
function within(place: number, pixels: number): number {
  return Math.round(Math.max(0, Math.min(place, pixels)) * 100) / 100;
}

/** Upper left and lower right corner of the points' bounding box. */
function corners(points: [number, number][]): [number, number][] {
  const columns = points.map(([column]) => column);
  const rows = points.map(([, row]) => row);
  return [
    [Math.min(...columns), Math.min(...rows)],
    [Math.max(...columns), Math.max(...rows)],
  ];
}

function isArea(kind: Measurement["kind"]): boolean {
  return kind === "rectangle" || kind === "ellipse";
}
