/** Marks for findings: drawn on the images, and stored in the reading form. */

import { type Drawn, drawOn, MarkTool } from "./mark_tool";
import { find, type ImageEntry, type Mark, type PageData, RememberedFinding } from "./page";
import type { Pane } from "./pane";
import type { Point } from "./view";

/** A shorter drag, in screen pixels, counts as a click. */
const CLICK = 5;
/** How far an arrow key moves a mark, in screen pixels. */
const STEP = 8;
const ARROWS: Record<string, Point> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/** Callbacks into the viewer. */
export interface Hooks {
  chooseTool(): void;
  showImage(image: ImageEntry): void;
  /** Marks were switched on or off. */
  onToggled(): void;
}

export class Marking {
  isChosen = false;
  private isShown = true;
  private readonly page: PageData;
  private readonly hooks: Hooks;
  private readonly current: Pane;
  private readonly panes: Pane[] = [];
  private readonly form = document.querySelector<HTMLFormElement>("form[data-read]");
  private readonly kept: HTMLInputElement | null;
  private readonly list: HTMLElement | null;
  private readonly finding: HTMLSelectElement | null;
  private readonly remembered: RememberedFinding;
  private own: Mark[];
  /** The mark being drawn, and the one whose list entry has the focus. */
  private pending: Mark | null = null;
  private focused: Mark | null = null;
  private stop: () => void = () => undefined;

  constructor(page: PageData, current: Pane, hooks: Hooks) {
    this.page = page;
    this.hooks = hooks;
    this.current = current;
    const part = this.form?.querySelector("[data-marks]") ?? null;
    this.kept = part && find(part, "input[name=marks]");
    this.list = part && find(part, "[data-marks-list]");
    this.finding = part && find(part, "[data-mark-finding]");
    this.remembered = new RememberedFinding(page.reader);
    this.own = this.kept ? (JSON.parse(this.kept.value || "[]") as Mark[]) : [];
    this.follow(current);
    if (!part) return;
    find(part, "[data-mark-tool]").addEventListener("click", () => hooks.chooseTool());
    find(part, "[data-mark-middle]").addEventListener("click", () => this.addInTheMiddle());
    this.proposeLastFinding();
    this.finding?.addEventListener("change", () => this.remembered.keep(this.finding?.value ?? ""));
    this.form?.addEventListener("change", (event) => this.proposeFinding(event));
    this.list?.addEventListener("keydown", (event) => this.onKeyDown(event));
    this.writeList();
  }

  /** Whether the reader can mark findings on this page. */
  get isOpen(): boolean {
    return this.kept !== null;
  }

  /** Start drawing marks on a pane. */
  follow(pane: Pane): void {
    if (!this.panes.includes(pane)) {
      this.panes.push(pane);
      pane.element.addEventListener("pointerdown", (event) => this.begin(pane, event));
    }
    if (pane.isLoaded) this.draw(pane);
  }

  toggle(): void {
    this.isShown = !this.isShown;
    this.redraw();
  }

  get areShown(): boolean {
    return this.isShown;
  }

  setChosen(isChosen: boolean): void {
    this.isChosen = isChosen && this.isOpen;
    const button = this.form?.querySelector("[data-mark-tool]");
    button?.classList.toggle("active", this.isChosen);
    button?.setAttribute("aria-pressed", String(this.isChosen));
    if (this.isChosen) this.setShown();
  }

  /** Discard the mark being drawn. */
  cancel(): void {
    this.stop();
    if (!this.pending) return;
    this.pending = null;
    this.redraw();
  }

  // ── On the image ──────────────────────────────────────────────────────────────────────────────

  private draw(pane: Pane): void {
    const id = pane.image?.id;
    if (!pane.isLoaded || !id) return;
    const signed = this.page.marks.map((mark) => this.drawn(mark, true));
    const own = [...this.own, ...(this.pending ? [this.pending] : [])];
    const all = [...signed, ...own.map((mark) => this.drawn(mark, false))];
    drawOn(pane, MarkTool, this.isShown ? all.filter(({ radiograph }) => radiograph === id) : []);
  }

  private drawn(mark: Mark, isSigned: boolean): Drawn {
    const { radiograph, column, row, width, height } = mark;
    const finding = this.page.findings[mark.finding] ?? mark.finding;
    const label = mark.by ? `${finding} · ${mark.by}` : finding;
    // A point is drawn at its pixel's centre, a box around the outer edges of its pixels.
    const place: Pick<Drawn, "shape" | "points"> =
      width === 0
        ? { shape: "point", points: [[column + 0.5, row + 0.5]] }
        : {
            shape: "box",
            points: [
              [column, row],
              [column + width, row + height],
            ],
          };
    return { radiograph, ...place, label, isSigned, isChosen: mark === this.focused };
  }

  private redraw(): void {
    for (const pane of this.panes) this.draw(pane);
  }

  private setShown(): void {
    if (this.isShown) return;
    this.toggle();
    this.hooks.onToggled();
  }

  private begin(pane: Pane, event: PointerEvent): void {
    // A second finger zooms, Shift pans, and the other mouse buttons keep their usual function.
    if (!event.isPrimary) return this.cancel();
    if (!this.isChosen || !pane.isLoaded || event.button !== 0 || event.shiftKey) return;
    if (!this.page.images.some(({ id }) => id === pane.image?.id)) return;
    // The end of an earlier gesture may never have come, and would count for both.
    this.cancel();
    const { element } = pane;
    const at = ({ clientX, clientY }: PointerEvent): Point => {
      const box = element.getBoundingClientRect();
      return [clientX - box.left, clientY - box.top];
    };
    const start = at(event);
    element.setPointerCapture(event.pointerId);
    const listening = new AbortController();
    const { signal } = listening;
    this.stop = () => listening.abort();
    const onMove = (to: PointerEvent): void => {
      if (!to.isPrimary) return;
      this.pending = this.between(pane, start, at(to));
      this.draw(pane);
    };
    const onUp = (to: PointerEvent): void => {
      if (!to.isPrimary) return;
      onMove(to);
      const mark = this.pending;
      this.cancel();
      if (mark) this.add(mark);
    };
    element.addEventListener("pointermove", onMove, { signal });
    element.addEventListener("pointerup", onUp, { signal });
    element.addEventListener("pointercancel", () => this.cancel(), { signal });
  }

  /** The mark spanned by two points on the screen; null if it lies outside the image. */
  private between(pane: Pane, from: Point, to: Point): Mark | null {
    const { columns, rows } = pane.size;
    const [x, y] = pane.shareAt(from);
    const mark = { radiograph: pane.image?.id ?? "", finding: this.finding?.value ?? "" };
    if (Math.hypot(to[0] - from[0], to[1] - from[1]) < CLICK) {
      if (x < 0 || y < 0 || x >= 1 || y >= 1) return null;
      return { ...mark, column: Math.floor(x * columns), row: Math.floor(y * rows), width: 0, height: 0 };
    }
    const [x2, y2] = pane.shareAt(to);
    const [left, right] = within(x, x2, columns);
    const [top, bottom] = within(y, y2, rows);
    if (left >= right || top >= bottom) return null;
    return { ...mark, column: left, row: top, width: right - left, height: bottom - top };
  }

  // ── In the form ───────────────────────────────────────────────────────────────────────────────

  private proposeLastFinding(): void {
    const last = this.remembered.value;
    if (this.finding && last in this.page.findings) this.finding.value = last;
  }

  /** Preselect the finding ticked last, which is likely to be marked next. */
  private proposeFinding(event: Event): void {
    const ticked = event.target as HTMLInputElement;
    if (!this.finding || !ticked.checked) return;
    if (ticked.name === "other_findings") this.finding.value = ticked.value;
    if (ticked.name === "choice" && /:(possible|definite)$/.test(ticked.value)) {
      this.finding.value = "pneumonia";
    }
    this.remembered.keep(this.finding.value);
  }

  private addInTheMiddle(): void {
    if (!this.current.isLoaded) return;
    const { clientWidth, clientHeight } = this.current.element;
    const middle: Point = [clientWidth / 2, clientHeight / 2];
    const mark = this.between(this.current, middle, middle);
    if (!mark) return;
    this.setShown();
    this.add(mark);
    this.list?.querySelector<HTMLElement>("li:last-child .mark-place")?.focus();
  }

  private add(mark: Mark): void {
    this.own.push(mark);
    // Marking an effusion implies the finding.
    const tick = this.form?.querySelector<HTMLInputElement>(`#finding-${mark.finding}`);
    if (tick && !tick.checked) tick.click();
    this.listAndKeep();
  }

  private remove(mark: Mark): void {
    const at = this.own.indexOf(mark);
    this.own.splice(at, 1);
    this.focused = null;
    this.listAndKeep();
    const lines = this.list?.querySelectorAll<HTMLElement>(".mark-place") ?? [];
    const next = lines[Math.min(at, lines.length - 1)] ?? this.finding;
    next?.focus();
  }

  private listAndKeep(): void {
    this.writeList();
    this.keep();
  }

  /** Write the marks to the form, which triggers saving the draft. */
  private keep(): void {
    this.redraw();
    if (!this.kept) return;
    this.kept.value = JSON.stringify(this.own);
    for (const name of ["input", "change"]) {
      this.kept.dispatchEvent(new Event(name, { bubbles: true }));
    }
  }

  private writeList(): void {
    this.list?.replaceChildren(...this.own.map((mark) => this.line(mark)));
  }

  private line(mark: Mark): HTMLElement {
    const line = document.createElement("li");
    const place = document.createElement("button");
    place.type = "button";
    place.className = "mark-place";
    place.append(document.createElement("span"), document.createElement("small"));
    place.setAttribute("aria-describedby", "marks-help");
    this.describe(place, mark);
    place.addEventListener("focus", () => this.focus(mark));
    place.addEventListener("click", () => this.focus(mark));
    place.addEventListener("blur", () => this.focus(null));
    const remove = document.createElement("button");
    remove.type = "button";
    remove.className = "mark-remove";
    remove.textContent = "×";
    remove.ariaLabel = `${this.page.texts["deleteMark"]}: ${place.textContent}`;
    remove.addEventListener("click", () => this.remove(mark));
    line.append(place, remove);
    return line;
  }

  private describe(place: HTMLElement, mark: Mark): void {
    const { images, findings, texts } = this.page;
    const number = images.findIndex(({ id }) => id === mark.radiograph) + 1;
    const image = images.length > 1 ? ` ${texts["image"]} ${number} ·` : "";
    const size = mark.width === 0 ? texts["point"] : `${mark.width} × ${mark.height}`;
    find(place, "span").textContent = findings[mark.finding] ?? mark.finding;
    find(place, "small").textContent = `${image} ${size} · ${mark.column} | ${mark.row}`;
  }

  /** Highlight a mark on its image. */
  private focus(mark: Mark | null): void {
    this.focused = mark;
    const image = this.page.images.find(({ id }) => id === mark?.radiograph);
    if (image && this.current.image?.id !== image.id) this.hooks.showImage(image);
    if (mark) this.setShown();
    this.redraw();
  }

  /** Arrow keys move the focused mark, Shift with arrow keys resizes it, Delete removes it. */
  private onKeyDown(event: KeyboardEvent): void {
    const { focused } = this;
    if (!focused || event.ctrlKey || event.metaKey || event.altKey) return;
    const arrow = ARROWS[event.key];
    const place = (event.target as HTMLElement).closest<HTMLElement>(".mark-place");
    if (!place || (!arrow && event.key !== "Delete")) return;
    event.preventDefault();
    event.stopPropagation();
    if (!arrow) return this.remove(focused);
    if (this.current.image?.id !== focused.radiograph || !this.current.isLoaded) return;
    this.push(focused, arrow, event.shiftKey);
    this.describe(place, focused);
    this.keep();
  }

  private push(mark: Mark, arrow: Point, isResized: boolean): void {
    const { columns, rows } = this.current.size;
    const [x, y] = this.current.shareAt([0, 0]);
    const [x2, y2] = this.current.shareAt([arrow[0] * STEP, arrow[1] * STEP]);
    const [across, down] = [steps((x2 - x) * columns), steps((y2 - y) * rows)];
    if (!isResized) {
      mark.column = clamp(mark.column + across, 0, columns - Math.max(mark.width, 1));
      mark.row = clamp(mark.row + down, 0, rows - Math.max(mark.height, 1));
      return;
    }
    // Right and down enlarge it on the screen, however the image is rotated or flipped.
    const sign = arrow[0] + arrow[1];
    mark.width = clamp(mark.width + sign * Math.abs(across), 1, columns - mark.column);
    mark.height = clamp(mark.height + sign * Math.abs(down), 1, rows - mark.row);
  }
}

/** The half-open pixel range between two fractions of a side, clamped to the image. */
function within(one: number, other: number, pixels: number): [number, number] {
  return [
    clamp(Math.floor(Math.min(one, other) * pixels), 0, pixels),
    clamp(Math.ceil(Math.max(one, other) * pixels), 0, pixels),
  ];
}

/** Rounded to whole pixels, but at least one in the direction of movement. */
function steps(pixels: number): number {
  if (Math.abs(pixels) < 1e-6) return 0;
  return Math.round(pixels) || Math.sign(pixels);
}

function clamp(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(value, most));
}
