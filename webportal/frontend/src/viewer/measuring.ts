/** Measurements saved with the read: drawn on the images, and stored in the reading form. */

import { type Drawn, drawOn, KeptTool } from "./mark_tool";
import { find, type Measurement, type PageData } from "./page";
import type { Pane } from "./pane";
import type { Finished, Tools } from "./tools";

export class Measuring {
  private readonly page: PageData;
  private readonly tools: Tools;
  private readonly panes: Pane[] = [];
  private readonly part: HTMLElement | null;
  private readonly kept: HTMLInputElement | null;
  private readonly list: HTMLElement | null;
  private own: Measurement[];
  private isShown = true;
  private focused: Measurement | null = null;

  constructor(page: PageData, tools: Tools) {
    this.page = page;
    this.tools = tools;
    this.part = document.querySelector("form[data-read] [data-measurements]");
    this.kept = this.part && find(this.part, "input[name=measurements]");
    this.list = this.part && find(this.part, "[data-measurements-list]");
    this.own = this.kept ? (JSON.parse(this.kept.value || "[]") as Measurement[]) : [];
    this.update();
  }

  /** Start drawing measurements on a pane. */
  follow(pane: Pane): void {
    if (!this.panes.includes(pane)) this.panes.push(pane);
    this.draw(pane);
  }

  setShown(isShown: boolean): void {
    if (isShown === this.isShown) return;
    this.isShown = isShown;
    this.redraw();
  }

  /** List the saved measurements, and those drawn but not saved. */
  update(): void {
    if (!this.part || !this.list) return;
    const open = this.tools.finishedOn(this.page.images);
    this.part.hidden = open.length + this.own.length === 0;
    this.list.replaceChildren(
      ...this.own.map((each) => this.keptLine(each)),
      ...open.map((each) => this.openLine(each)),
    );
  }

  private draw(pane: Pane): void {
    const id = pane.image?.id;
    if (!pane.isLoaded || !id) return;
    const all = [
      ...this.page.measurements.map((each) => this.drawn(each, true)),
      ...this.own.map((each) => this.drawn(each, false)),
    ];
    drawOn(pane, KeptTool, this.isShown ? all.filter(({ radiograph }) => radiograph === id) : []);
  }

  private drawn(measurement: Measurement, isSigned: boolean): Drawn {
    const { radiograph, kind, points, words, by } = measurement;
    const shape = kind === "rectangle" ? "box" : kind === "ellipse" ? "ellipse" : "line";
    const label = by ? `${words} · ${by}` : words;
    return { radiograph, shape, points, label, isSigned, isChosen: measurement === this.focused };
  }

  private redraw(): void {
    for (const pane of this.panes) this.draw(pane);
  }

  // ── In the form ───────────────────────────────────────────────────────────────────────────────

  private keptLine(measurement: Measurement): HTMLElement {
    const { kind, radiograph, words } = measurement;
    const place = button("mark-place");
    place.append(...this.described(kind, radiograph, words));
    for (const [event, chosen] of [
      ["focus", measurement],
      ["blur", null],
    ] as const) {
      place.addEventListener(event, () => {
        this.focused = chosen;
        this.redraw();
      });
    }
    const remove = button("mark-remove");
    remove.textContent = "×";
    remove.ariaLabel = `${this.page.texts["removeMeasurement"]}: ${place.textContent}`;
    remove.addEventListener("click", (event) => {
      const at = this.own.indexOf(measurement);
      this.own.splice(at, 1);
      this.keep();
      this.focusLine(event, Math.min(at, this.own.length - 1));
    });
    return line(place, remove);
  }

  private openLine(finished: Finished): HTMLElement {
    const place = document.createElement("span");
    place.className = "mark-place is-open";
    place.append(...this.described(finished.kind, finished.radiograph, finished.words));
    const keep = button("mark-keep");
    keep.textContent = this.page.texts["keep"] ?? "";
    keep.ariaLabel = `${keep.textContent}: ${place.textContent}`;
    keep.addEventListener("click", (event) => {
      const { uid, ...measurement } = finished;
      this.own.push(measurement);
      // Saved measurements are drawn from the form, so remove the editable annotation.
      this.tools.discard(uid);
      this.keep();
      this.focusLine(event, this.own.length - 1);
    });
    return line(place, keep);
  }

  /** Keep keyboard focus in the list; after a mouse click the viewer's shortcuts must keep working. */
  private focusLine({ detail: clicks }: MouseEvent, number: number): void {
    if (clicks > 0) return;
    this.list?.querySelectorAll<HTMLElement>("button.mark-place")[number]?.focus();
  }

  private described(kind: string, radiograph: string, words: string): HTMLElement[] {
    const { images, texts } = this.page;
    const number = images.findIndex(({ id }) => id === radiograph) + 1;
    const what = document.createElement("span");
    what.textContent = texts[kind] ?? kind;
    const value = document.createElement("small");
    value.textContent = images.length > 1 ? `${texts["image"]} ${number} · ${words}` : words;
    return [what, value];
  }

  /** Write the measurements to the form, which triggers saving the draft. */
  private keep(): void {
    this.focused = null;
    this.update();
    this.redraw();
    if (!this.kept) return;
    this.kept.value = JSON.stringify(this.own);
    for (const name of ["input", "change"]) {
      this.kept.dispatchEvent(new Event(name, { bubbles: true }));
    }
  }
}

function button(className: string): HTMLButtonElement {
  const made = document.createElement("button");
  made.type = "button";
  made.className = className;
  return made;
}

function line(...parts: HTMLElement[]): HTMLElement {
  const made = document.createElement("li");
  made.append(...parts);
  return made;
}
