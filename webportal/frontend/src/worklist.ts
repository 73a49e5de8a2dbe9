import htmx from "htmx.org";

import type { Life } from "./life";
import { isSwitchedOff } from "./shortcuts";
import { holdRows, ROWS } from "./worklist/rows";
import { Selection } from "./worklist/selection";

/** How long rows stay in place after the last interaction with the table. */
const CALM_MILLISECONDS = 10_000;

const LINKS = ".worklist-row a.stretched-link";

/**
 * Keyboard shortcuts, selection and updates of the worklist. While the table is in use, updates refresh
 * the rows' content but keep their order, and a button announces that the list has changed.
 */
export function bindWorklist(life: Life): void {
  const list = document.querySelector<HTMLElement>("#worklist");
  if (!list) return;
  const selection = new Selection(list, life);
  keepRowsInPlace(list, selection);
  bindKeys(selection, life);
}

function keepRowsInPlace(list: HTMLElement, selection: Selection): void {
  const news = document.querySelector<HTMLButtonElement>("[data-show-news]");
  let touchedAt = -Infinity;
  // The focused button is about to disappear, so the focus moves to the list.
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
  const isInUse = (): boolean => !selection.isEmpty || performance.now() - touchedAt < CALM_MILLISECONDS;

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

function bindKeys(selection: Selection, { signal }: Life): void {
  const shortcuts = document.querySelector<HTMLDialogElement>("#shortcuts");
  document.querySelector("[data-opens-shortcuts]")?.addEventListener("click", () => shortcuts?.showModal());
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

/** Move the focus to the previous or next row, or to the first one. */
function move(row: HTMLElement | null, step: number): void {
  const links = [...document.querySelectorAll<HTMLElement>(LINKS)];
  const at = row ? links.findIndex((link) => row.contains(link)) : -1;
  const next = links[at === -1 ? 0 : Math.min(Math.max(at + step, 0), links.length - 1)];
  next?.focus();
  next?.closest("tr")?.scrollIntoView({ block: "nearest" });
}
