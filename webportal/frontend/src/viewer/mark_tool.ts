/** Draws readers' annotations as Cornerstone3D annotations that the mouse cannot move. */

import type { Types } from "@cornerstonejs/core";
import { AnnotationDisplayTool, annotation, drawing, type Types as ToolTypes } from "@cornerstonejs/tools";

import type { Pane } from "./pane";
import type { Point } from "./view";

/** The colour of readers' annotations, distinct from measurements and the heat map. */
const COLOR = "rgb(108, 195, 160)";
const TEXT_COLOR = "rgb(190, 235, 217)";
const LABEL_HEIGHT = 20;
const POINT_RADIUS = 9;

type Shape = "point" | "box" | "ellipse" | "line";

/** A shape to draw: corners of a box or of an ellipse's bounding box, in stored image pixels. */
export interface Drawn {
  radiograph: string;
  shape: Shape;
  points: Point[];
  label: string;
  /** Part of a signed read, by any reader; drawn dashed. */
  isSigned: boolean;
  isChosen: boolean;
}

type Data = Pick<Drawn, "shape" | "label" | "isSigned" | "isChosen"> & {
  handles: { points: Types.Point3[] };
};

/** Draws marked findings. */
export class MarkTool extends AnnotationDisplayTool {
  static override toolName = "Mark";

  constructor(toolProps: ToolTypes.PublicToolProps = {}) {
    super(toolProps, { supportedInteractionTypes: [], configuration: {} });
  }

  override renderAnnotation(
    { viewport }: Types.IEnabledElement,
    helper: ToolTypes.SVGDrawingHelper,
  ): boolean {
    const all = annotation.state.getAnnotations(this.getToolName(), viewport.element);
    for (const each of this.filterInteractableAnnotationsForElement(viewport.element, all)) {
      const data = each.data as unknown as Data;
      const places = data.handles.points.map((point) => viewport.worldToCanvas(point));
      if (places.length) drawOne(helper, each.annotationUID as string, data, places);
    }
    return true;
  }
}

/** Draws measurements stored with a read. */
export class KeptTool extends MarkTool {
  static override toolName = "KeptMeasurement";
}

function drawOne(
  helper: ToolTypes.SVGDrawingHelper,
  uid: string,
  { shape, label, isSigned, isChosen }: Data,
  places: Types.Point2[],
): void {
  const options = {
    color: COLOR,
    lineWidth: isChosen ? 3.5 : 2,
    lineDash: isSigned ? "6,4" : undefined,
  };
  let left = Math.min(...places.map(([x]) => x));
  let top = Math.min(...places.map(([, y]) => y));
  const right = Math.max(...places.map(([x]) => x));
  const bottom = Math.max(...places.map(([, y]) => y));
  if (shape === "point") {
    drawing.drawCircle(helper, uid, "point", [left, top], POINT_RADIUS, options);
    drawing.drawCircle(helper, uid, "middle", [left, top], 1, options);
    top -= POINT_RADIUS;
    left -= POINT_RADIUS;
  } else if (shape === "box") {
    drawing.drawRect(helper, uid, "box", [left, top], [right, bottom], options);
  } else if (shape === "ellipse") {
    const [x, y] = [(left + right) / 2, (top + bottom) / 2];
    const ends: [Types.Point2, Types.Point2, Types.Point2, Types.Point2] = [
      [x, bottom],
      [x, top],
      [left, y],
      [right, y],
    ];
    drawing.drawEllipseByCoordinates(helper, uid, "ellipse", ends, options);
  } else {
    for (const [number, place] of places.slice(1).entries()) {
      drawing.drawLine(helper, uid, `line-${number}`, places[number] as Types.Point2, place, options);
    }
  }
  drawing.drawTextBox(helper, uid, "label", [label], [left, top - LABEL_HEIGHT], {
    color: TEXT_COLOR,
    fontFamily: "system-ui, sans-serif",
    fontSize: "13px",
    padding: 0,
  });
}

/** Replace a pane's annotations of a tool; `all` must belong to the image it displays. */
export function drawOn(pane: Pane, tool: typeof MarkTool, all: Drawn[]): void {
  const { element } = pane;
  for (const each of [...annotation.state.getAnnotations(tool.toolName, element)]) {
    annotation.state.removeAnnotation(each.annotationUID as string);
  }
  const referencedImageId = pane.imageId;
  for (const { points, shape, label, isSigned, isChosen } of all) {
    const handles = { points: points.map(([column, row]) => pane.worldAt(column, row)) };
    annotation.state.addAnnotation(
      {
        highlighted: false,
        invalidated: false,
        isLocked: true,
        isVisible: true,
        metadata: { toolName: tool.toolName, referencedImageId },
        data: { shape, label, isSigned, isChosen, handles, cachedStats: {} },
      } as unknown as ToolTypes.Annotation,
      element,
    );
  }
  pane.redraw();
}
