/** Annotations around an image: patient, orientation, window and scale. */

import { sidesOnScreen, type Turn, turnName } from "./orientation";
import { find, type ImageEntry } from "./page";
import type { PixelHeader } from "./pixels";
import type { GreyRange } from "./windows";

const SCALE_MM = [1, 2, 5, 10, 20, 50, 100, 200];
const SIDES = ["top", "right", "bottom", "left"];

export interface Shown {
  header: PixelHeader;
  turn: Turn;
  /** Screen pixels per image pixel. */
  scale: number;
  greys: GreyRange;
  /** Whether the reader has inverted the image, relative to the file's own polarity. */
  isInverted: boolean;
  /** Whether the file has overlay planes that are switched off. */
  isOverlayHidden: boolean;
  /** Whether the file's shutter covers part of the picture, or is lifted. */
  shutter: "" | "shutterOn" | "shutterLifted";
}

export class Corners {
  readonly texts: Record<string, string>;
  private readonly root: HTMLElement;

  constructor(root: HTMLElement, texts: Record<string, string>) {
    this.root = root;
    this.texts = texts;
  }

  describe(image: ImageEntry): void {
    this.lines(".pane-patient", image.patient);
    this.lines(".pane-study", image.study);
  }

  private lines(selector: string, texts: string[]): void {
    const lines = texts.map((text) => {
      const line = document.createElement("div");
      line.textContent = text;
      return line;
    });
    find(this.root, selector).replaceChildren(...lines);
  }

  update(shown: Shown): void {
    const width = Math.round(shown.greys.upper - shown.greys.lower + 1);
    const centre = Math.round((shown.greys.upper + shown.greys.lower + 1) / 2);
    const inverted = shown.isInverted ? ` · ${this.texts["inverted"]}` : "";
    find(this.root, ".pane-window").textContent = `W ${width} · L ${centre}${inverted}`;
    find(this.root, ".pane-zoom").textContent = `${Math.round(shown.scale * 100)} %`;
    const sides = sidesOnScreen(shown.header.orientation, shown.turn);
    SIDES.forEach((side, place) => {
      find(this.root, `.pane-side-${side}`).textContent = sides[place] ?? "";
    });
    find(this.root, ".pane-unsided").hidden = shown.header.orientation[0] !== "";
    this.writeBadges(shown);
    this.drawScale(shown);
  }

  /** Prominent warnings that the image is not displayed as acquired, or not completely. */
  private writeBadges({ header, turn, isOverlayHidden, shutter }: Shown): void {
    const { overlay } = header;
    const names = [
      turnName(turn),
      shutter,
      isOverlayHidden ? "overlayHidden" : "",
      overlay?.unreadable ? "overlayUnreadable" : "",
      overlay?.isCut ? "overlayCut" : "",
    ].filter((name) => name !== "");
    // Headers cached by an earlier version of the portal have no notes.
    const notes = (header.notes ?? []).join(" ");
    const words = [...names.map((name) => this.texts[name] ?? ""), notes];
    const badges = find(this.root, ".pane-badges");
    if (badges.dataset["words"] === words.join("\n")) return;
    badges.dataset["words"] = words.join("\n");
    badges.replaceChildren(
      ...words.filter(Boolean).map((text) => {
        const badge = document.createElement("span");
        badge.className = "pane-badge";
        badge.textContent = text;
        return badge;
      }),
    );
  }

  /** A scale bar of a round length, at most a quarter of the displayed image's width. */
  private drawScale({ header, scale }: Shown): void {
    const bar = find(this.root, ".pane-scale");
    bar.hidden = header.spacing === null;
    if (header.spacing === null) return;
    const pixelsPerMm = scale / header.spacing[1];
    const most = this.root.clientWidth / 4;
    const fitting = SCALE_MM.filter((mm) => mm * pixelsPerMm <= most);
    const mm = fitting.at(-1) ?? (SCALE_MM[0] as number);
    find(bar, ".pane-ruler").style.width = `${mm * pixelsPerMm}px`;
    bar.dataset["mm"] = String(mm);
    const length = mm >= 10 ? `${mm / 10} cm` : `${mm} mm`;
    const where = header.isCalibrated ? "" : ` ${this.texts["atDetector"]}`;
    find(bar, ".pane-length").textContent = `${length}${where}`;
  }
}
