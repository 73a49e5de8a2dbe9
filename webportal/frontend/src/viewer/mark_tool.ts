/** Draws the places that readers marked, as annotations of Cornerstone3D that no mouse can move. */

import type { Types } from "@cornerstonejs/core";
import { AnnotationDisplayTool, annotation, drawing, type Types as ToolTypes } from "@cornerstonejs/tools";

import type { Mark } from "./page";
import type { Pane } from "./pane";

/** The colour of what people say, apart from that of measurements and of the heat map. */
const COLOR = "rgb(108, 195, 160)";
const TEXT_COLOR = "rgb(190, 235, 217)";
const LABEL_HEIGHT = 20;
const POINT_RADIUS = 9;

/** A mark as it is drawn. */
export interface DrawnMark {
  mark: Mark;
  label: string;
  /** Signed already, by whomever: its line is broken. */
  isSigned: boolean;
  isChosen: boolean;
}

interface MarkData {
  label: string;
  handles: { points: Types.Point3[] };
  isPoint: boolean;
  isSigned: boolean;
  isChosen: boolean;
}

export class MarkTool extends AnnotationDisplayTool {
  static override toolName = "Mark";

  constructor(toolProps: ToolTypes.PublicToolProps = {}) {
    super(toolProps, { supportedInteractionTypes: [], configuration: {} });
  }

  override renderAnnotation(
    { viewport }: Types.IEnabledElement,
    helper: ToolTypes.SVGDrawingHelper,
  ): boolean {
    const all = annotation.state.getAnnotations(MarkTool.toolName, viewport.element);
    for (const each of this.filterInteractableAnnotationsForElement(viewport.element, all)) {
      const uid = each.annotationUID as string;
      const data = each.data as unknown as MarkData;
      const [first, last] = data.handles.points.map((point) => viewport.worldToCanvas(point));
      if (first && last) drawMark(helper, uid, data, first, last);
    }
    return true;
  }
}

function drawMark(
  helper: ToolTypes.SVGDrawingHelper,
  uid: string,
  { label, isPoint, isSigned, isChosen }: MarkData,
  first: Types.Point2,
  last: Types.Point2,
): void {
  const options = {
    color: COLOR,
    lineWidth: isChosen ? 3.5 : 2,
    lineDash: isSigned ? "6,4" : undefined,
  };
  let top = Math.min(first[1], last[1]);
  let left = Math.min(first[0], last[0]);
  if (isPoint) {
    drawing.drawCircle(helper, uid, "point", first, POINT_RADIUS, options);
    drawing.drawCircle(helper, uid, "middle", first, 1, options);
    top -= POINT_RADIUS;
    left -= POINT_RADIUS;
  } else {
    drawing.drawRect(helper, uid, "box", first, last, options);
  }
  drawing.drawTextBox(helper, uid, "label", [label], [left, top - LABEL_HEIGHT], {
    color: TEXT_COLOR,
    fontFamily: "system-ui, sans-serif",
    fontSize: "13px",
    padding: 0,
  });
}

/** Let a pane show these marks, all of its present picture, in place of those that it showed. */
export function drawMarks(pane: Pane, marks: DrawnMark[]): void {
  const { element } = pane;
  for (const each of [...annotation.state.getAnnotations(MarkTool.toolName, element)]) {
    annotation.state.removeAnnotation(each.annotationUID as string);
  }
  const referencedImageId = pane.imageId;
  for (const { mark, ...rest } of marks) {
    const isPoint = mark.width === 0;
    // A point is the middle of its pixel, a box goes around its pixels.
    const points = isPoint
      ? [pane.worldAt(mark.column + 0.5, mark.row + 0.5)]
      : [pane.worldAt(mark.column, mark.row)];
    points.push(
      isPoint
        ? (points[0] as Types.Point3)
        : pane.worldAt(mark.column + mark.width, mark.row + mark.height),
    );
    const data = { ...rest, isPoint, handles: { points }, cachedStats: {} };
    annotation.state.addAnnotation(
      {
        highlighted: false,
        invalidated: false,
        isLocked: true,
        isVisible: true,
        metadata: { toolName: MarkTool.toolName, referencedImageId },
        data,
      } as unknown as ToolTypes.Annotation,
      element,
    );
  }
  pane.redraw();
}
