/** The eight orientations of an image: mirrored or not, then rotated clockwise by quarter turns. */
export interface Turn {
  /** Clockwise on the screen, in degrees: 0, 90, 180 or 270. */
  rotation: number;
  /** Left and right of the picture are swapped before it is turned. */
  mirrored: boolean;
}

export const UPRIGHT: Turn = { rotation: 0, mirrored: false };

export function turnedBy(turn: Turn, degrees: number): Turn {
  return { ...turn, rotation: (turn.rotation + degrees + 360) % 360 };
}

/** Left and right of what is on the screen swapped, however the picture lies. */
export function flippedHorizontally(turn: Turn): Turn {
  return { rotation: (360 - turn.rotation) % 360, mirrored: !turn.mirrored };
}

/** Top and bottom of what is on the screen swapped. */
export function flippedVertically(turn: Turn): Turn {
  return turnedBy(flippedHorizontally(turn), 180);
}

const OPPOSITE: Record<string, string> = { A: "P", P: "A", L: "R", R: "L", F: "H", H: "F" };

function opposite(sides: string): string {
  return [...sides].map((side) => OPPOSITE[side] ?? "").join("");
}

/**
 * Which of the patient's sides is at the top, right, bottom and left of the screen.
 * `orientation` is DICOM's Patient Orientation: where rows and columns of the file run to.
 */
export function sidesOnScreen(orientation: [string, string], turn: Turn): string[] {
  const [row, column] = orientation;
  if (!row || !column) return ["", "", "", ""];
  const right = turn.mirrored ? opposite(row) : row;
  const sides = [opposite(column), right, column, opposite(right)];
  const quarters = turn.rotation / 90;
  return sides.map((_, place) => sides[(place - quarters + 4) % 4] as string);
}

/** The word for how a picture is turned, as the page has it; "" where it lies as the file has it. */
export function turnName({ rotation, mirrored }: Turn): string {
  if (!mirrored) return rotation === 0 ? "" : `rotated${rotation}`;
  if (rotation === 0) return "flippedHorizontally";
  return rotation === 180 ? "flippedVertically" : `flippedRotated${rotation}`;
}
