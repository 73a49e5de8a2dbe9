/** Cornerstone3D's tools as this viewer uses them: one for the left button, others always at hand. */

import { eventTarget } from "@cornerstonejs/core";
import {
  AngleTool,
  EllipticalROITool,
  Enums,
  LengthTool,
  PanTool,
  RectangleROITool,
  ToolGroupManager,
  WindowLevelTool,
  ZoomTool,
  addTool,
  annotation,
  cancelActiveManipulations,
  utilities,
  type Types,
} from "@cornerstonejs/tools";

import type { Life } from "../life";
import { MarkTool } from "./mark_tool";

const { MouseBindings, KeyboardBindings } = Enums;

/** What dragging with the left button does; the names are those of the page's buttons. */
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
const GROUP = "reading";

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
  /** The measurements in the order in which they were drawn. */
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
    addTool(MarkTool);
    this.group.addTool(MarkTool.toolName);
    this.group.setToolEnabled(MarkTool.toolName);
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

  /** Let the left button do `action`, one of TOOL_NAMES, or nothing of Cornerstone's for another. */
  choose(action: string): void {
    for (const name of Object.values(TOOL_NAMES)) this.group.setToolPassive(name);
    const chosen = TOOL_NAMES[action];
    // Shift and the middle button move, the right button zooms, whatever is chosen.
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

  /** Call `changed` whenever a measurement was added or removed. */
  watch(changed: () => void): void {
    this.listen(Enums.Events.ANNOTATION_ADDED, (event) => {
      if (isMark(event)) return;
      this.drawn.push(event.detail.annotation.annotationUID as string);
      changed();
    });
    this.listen(Enums.Events.ANNOTATION_COMPLETED, (event) => {
      this.finished.add(event.detail.annotation.annotationUID as string);
    });
    this.listen(Enums.Events.ANNOTATION_REMOVED, (event) => {
      if (isMark(event)) return;
      this.drawn = this.drawn.filter((uid) => uid !== event.detail.annotation.annotationUID);
      changed();
    });
  }

  /** Cornerstone's events go to one target that outlives the page. */
  private listen(kind: string, heard: (event: AddedEvent) => void): void {
    const listener = heard as EventListener;
    eventTarget.addEventListener(kind, listener);
    this.life.onEnd(() => eventTarget.removeEventListener(kind, listener));
  }

  /** Undo the measurement that is being drawn. */
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

/** What belongs to a read is no measurement. */
function isMark({ detail }: AddedEvent): boolean {
  return detail.annotation.metadata.toolName === MarkTool.toolName;
}
