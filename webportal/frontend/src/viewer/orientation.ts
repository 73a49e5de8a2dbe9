/** The eight orientations of an image: mirrored or not, then rotated clockwise by quarter turns. */
export interface Turn {
  /** Clockwise on the screen, in degrees: 0, 90, 180 or 270. */
  rotation: number;
  /** Flipped horizontally before the rotation. */
  mirrored: boolean;
}

export const UPRIGHT: Turn = { rotation: 0, mirrored: false };

export function turnedBy(turn: Turn, degrees: number): Turn {
  return { ...turn, rotation: (turn.rotation + degrees + 360) % 360 };
}

/** Flip left and right as seen on the screen, whatever the current orientation. */
export function flippedHorizontally(turn: Turn): Turn {
  return { rotation: (360 - turn.rotation) % 360, mirrored: !turn.mirrored };
}

/** Flip top and bottom as seen on the screen. */
export function flippedVertically(turn: Turn): Turn {
  return turnedBy(flippedHorizontally(turn), 180);
}

const OPPOSITE: Record<string, string> = { A: "P", P: "A", L: "R", R: "L", F: "H", H: "F" };

function opposite(sides: string): string {
  return [...sides].map((side) => OPPOSITE[side] ?? "").join("");
}

/**
 * The patient directions at the top, right, bottom and left edge of the displayed image.
 * `orientation` is Patient Orientation (0020,0020): the direction of the stored rows and columns.
 */
export function sidesOnScreen(orientation: [string, string], turn: Turn): string[] {
  const [row, column] = orientation;
  if (!row || !column) return ["", "", "", ""];
  const right = turn.mirrored ? opposite(row) : row;
  const sides = [opposite(column), right, column, opposite(right)];
  const quarters = turn.rotation / 90;
  return sides.map((_, place) => sides[(place - quarters + 4) % 4] as string);
}

/** Key of the page's label for an orientation; "" for the stored one. */
export function turnName({ rotation, mirrored }: Turn): string {
  if (!mirrored) return rotation === 0 ? "" : `rotated${rotation}`;
  if (rotation === 0) return "flippedHorizontally";
  return rotation === 180 ? "flippedVertically" : `flippedRotated${rotation}`;
}
