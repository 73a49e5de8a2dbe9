import htmx from "htmx.org";

import type { Life } from "./life";
import { isSwitchedOff } from "./shortcuts";

/** For how long after the last touch of the table its rows stay where they are. */
const CALM_MILLISECONDS = 10_000;

const ROWS = "tr.worklist-row";
const LINKS = ".worklist-row a.stretched-link";

/**
 * The worklist's keys, its selection, and updates that move no row under somebody's hand: while the
 * table is in use its rows stay in place, their content is kept current, and a button says that
 * the list has changed.
 */
export function bindWorklist(life: Life): void {
  const list = document.querySelector<HTMLElement>("#worklist");
  if (!list) return;
  const selection = new Selection(list, life);
  keepRowsInPlace(list, selection);
  bindKeys(selection, life);
}

/** The ticked rows; they stay ticked whatever an update brings. */
class Selection {
  private readonly ids = new Set<string>();
  private readonly bar = document.querySelector<HTMLFormElement>("#bulk");

  private readonly list: HTMLElement;

  constructor(list: HTMLElement, { signal }: Life) {
    this.list = list;
    list.addEventListener("change", (event) => {
      const box = event.target as HTMLInputElement;
      if (box.id === "select-page") for (const each of this.boxes()) each.checked = box.checked;
      this.read();
    });
    this.bar?.addEventListener("click", (event) => asksFor(event.target as Element));
    this.bar?.querySelector("[data-clear-selection]")?.addEventListener("click", () => this.clear());
    // The browser may have kept the ticks when somebody came back to the page.
    window.addEventListener("pageshow", () => this.read(), { signal });
    this.read();
  }

  get isEmpty(): boolean {
    return this.ids.size === 0;
  }

  clear(): void {
    for (const box of this.boxes()) box.checked = false;
    this.read();
  }

  toggle(row: Element): void {
    const box = row.querySelector<HTMLInputElement>("input[name=study]");
    if (!box) return;
    box.checked = !box.checked;
    this.read();
  }

  /** Tick the selected rows of a table that is about to replace the present one. */
  mark(fragment: ParentNode): void {
    for (const box of fragment.querySelectorAll<HTMLInputElement>("input[name=study]")) {
      box.toggleAttribute("checked", this.ids.has(box.value));
    }
    const all = fragment.querySelector("#select-page");
    all?.toggleAttribute("checked", this.list.querySelector<HTMLInputElement>("#select-page")?.checked);
  }

  /** Take over what is ticked; rows that an update took away are no longer selected. */
  read(): void {
    const boxes = [...this.boxes()];
    this.ids.clear();
    for (const box of boxes) {
      if (box.checked) this.ids.add(box.value);
      box.closest("tr")?.classList.toggle("is-selected", box.checked);
    }
    const all = this.list.querySelector<HTMLInputElement>("#select-page");
    if (all) {
      all.checked = boxes.length > 0 && this.ids.size === boxes.length;
      all.indeterminate = !this.isEmpty && !all.checked;
    }
    if (!this.bar) return;
    this.bar.classList.toggle("is-open", !this.isEmpty);
    const count = this.bar.querySelector<HTMLOptionElement>("[data-selected-count]");
    const { one = "", many = "" } = this.bar.dataset;
    if (count && !this.isEmpty) {
      count.textContent = this.ids.size === 1 ? one : many.replace("%s", String(this.ids.size));
    }
  }

  private boxes(): NodeListOf<HTMLInputElement> {
    return this.list.querySelectorAll<HTMLInputElement>("input[name=study]");
  }
}

/** Let the browser ask for what a bulk action needs: a page that only says so loses the selection. */
function asksFor(clicked: Element): void {
  const button = clicked.closest<HTMLButtonElement>("button[name=action]");
  if (!button) return;
  for (const select of button.form?.querySelectorAll<HTMLSelectElement>(".bulk-group select") ?? []) {
    select.required = select.parentElement === button.parentElement;
  }
}

function keepRowsInPlace(list: HTMLElement, selection: Selection): void {
  const news = document.querySelector<HTMLButtonElement>("[data-show-news]");
  let touchedAt = -Infinity;
  // The button that says so has the focus and goes: the list takes it.
  let losesFocus = false;
  const touch = (event: Event): void => {
    if ((event.target as Element).closest("table")) touchedAt = performance.now();
  };
  for (const kind of ["pointermove", "pointerdown", "keydown", "focusin"]) {
    list.addEventListener(kind, touch, { passive: true });
  }
  news?.addEventListener("click", () => {
    touchedAt = -Infinity;
    selection.clear();
    htmx.trigger(list, "live");
  });
  const isInUse = (): boolean =>
    !selection.isEmpty || performance.now() - touchedAt < CALM_MILLISECONDS;

  list.addEventListener("htmx:beforeSwap", (event) => {
    const { detail } = event as CustomEvent<{ serverResponse: string; shouldSwap: boolean }>;
    if (!detail.shouldSwap) return;
    const fresh = document.createElement("template");
    fresh.innerHTML = detail.serverResponse;
    const isHeld = isInUse() && holdRows(list, fresh.content);
    losesFocus = !isHeld && document.activeElement === news;
    if (news) news.hidden = !isHeld;
    selection.mark(fresh.content);
    detail.serverResponse = fresh.innerHTML;
  });
  list.addEventListener("htmx:afterSwap", () => {
    selection.read();
    if (losesFocus) list.querySelector<HTMLElement>(`${LINKS}, .empty-state a`)?.focus();
    losesFocus = false;
  });
}

/**
 * Put the rows of `fresh` into the order of those that are shown; new ones wait, and those that are
 * gone stay, dimmed. Returns whether that changed anything.
 */
function holdRows(list: HTMLElement, fresh: DocumentFragment): boolean {
  const shown = [...list.querySelectorAll<HTMLElement>(ROWS)];
  const coming = [...fresh.querySelectorAll<HTMLElement>(ROWS)];
  const isSame = shown.length === coming.length && shown.every((row, n) => row.id === coming[n]?.id);
  if (isSame || shown.length === 0) return false;
  const byId = new Map(coming.map((row) => [row.id, row]));
  const held = shown.map((row) => {
    const update = byId.get(row.id);
    if (update) return update;
    const gone = row.cloneNode(true) as HTMLElement;
    gone.classList.add("is-gone");
    return gone;
  });
  const body = fresh.querySelector("tbody");
  if (body) {
    body.replaceChildren(...held);
    return true;
  }
  // Nothing is left of the list: the table stays until it is let go.
  const table = list.querySelector<HTMLElement>(".table-responsive")?.cloneNode(true);
  if (!table) return false;
  fresh.querySelector(".empty-state")?.replaceWith(table);
  fresh.querySelector("tbody")?.replaceChildren(...held);
  return true;
}

function bindKeys(selection: Selection, { signal }: Life): void {
  const shortcuts = document.querySelector<HTMLDialogElement>("#shortcuts");
  document
    .querySelector("[data-opens-shortcuts]")
    ?.addEventListener("click", () => shortcuts?.showModal());
  const pressed = (event: KeyboardEvent): void => {
    const target = event.target as HTMLElement;
    if (event.ctrlKey || event.metaKey || event.altKey || shortcuts?.open) return;
    if (isSwitchedOff(event)) return;
    if (target.closest("textarea, select, .dropdown-menu, input:not([type=checkbox])")) return;
    const row = target.closest<HTMLElement>(ROWS);
    const keys: Record<string, () => void> = {
      j: () => move(row, 1),
      ArrowDown: () => move(row, 1),
      k: () => move(row, -1),
      ArrowUp: () => move(row, -1),
      x: () => row && selection.toggle(row),
      Escape: () => selection.clear(),
      n: () => document.querySelector<HTMLAnchorElement>("[data-next-study]")?.click(),
      "/": () => document.querySelector<HTMLInputElement>("form[role=search] input[name=text]")?.select(),
      "?": () => shortcuts?.showModal(),
    };
    const act = keys[event.key];
    if (!act || (event.key.startsWith("Arrow") && target.closest("[data-bs-toggle]"))) return;
    event.preventDefault();
    act();
  };
  document.addEventListener("keydown", pressed, { signal });
}

/** Move the focus to the row before or after, or to the first one. */
function move(row: HTMLElement | null, step: number): void {
  const links = [...document.querySelectorAll<HTMLElement>(LINKS)];
  const at = row ? links.findIndex((link) => row.contains(link)) : -1;
  const next = links[at === -1 ? 0 : Math.min(Math.max(at + step, 0), links.length - 1)];
  next?.focus();
  next?.closest("tr")?.scrollIntoView({ block: "nearest" });
}
