import htmx from "htmx.org";

/** How many pixels a heading must be moved before it counts as a drag rather than a click. */
const DRAG = 6;

/**
 * Worklist columns are moved by dragging their headings, or with the buttons of the column menu. The
 * menu's form holds their order, and submitting it saves the order for the user.
 */
export function bindColumns(): void {
  const form = document.querySelector<HTMLFormElement>("#columns");
  const list = document.querySelector<HTMLElement>("#worklist");
  if (!form || !list) return;
  bindMenu(form);
  bindHeadings(list, (order, moved) => {
    arrange(form, order, moved);
    void keep(form, list);
  });
}

/** Move a column within the menu by one place; the focus goes with it. */
function bindMenu(form: HTMLFormElement): void {
  const choices = form.querySelector<HTMLElement>(".column-choices");
  const status = form.querySelector<HTMLElement>("[data-column-moved]");
  choices?.addEventListener("click", (event) => {
    const button = (event.target as Element).closest<HTMLButtonElement>("[data-move]");
    const choice = button?.closest("li");
    if (!button || !choice) return;
    if (button.dataset["move"] === "1") choice.nextElementSibling?.after(choice);
    else choice.previousElementSibling?.before(choice);
    button.focus();
    choice.scrollIntoView({ block: "nearest" });
    const place = [...choices.children].indexOf(choice) + 1;
    const name = choice.querySelector("label")?.textContent ?? "";
    if (status) {
      status.textContent = (choices.dataset["moved"] ?? "")
        .replace("{column}", name)
        .replace("{place}", String(place));
    }
  });
}

/** Sort the menu like the headings; a column that was dragged counts as chosen. */
function arrange(form: HTMLFormElement, order: string[], moved: string): void {
  const choices = form.querySelector(".column-choices");
  const of = (name: string): Element | null | undefined => choices?.querySelector(`[data-column="${name}"]`);
  choices?.prepend(...order.map(of).filter((choice) => choice !== null && choice !== undefined));
  const box = of(moved)?.querySelector<HTMLInputElement>("input[type=checkbox]");
  if (box) box.checked = true;
}

/** Save the order; the list refreshes by itself, and an open view gives way to the user's own columns. */
async function keep(form: HTMLFormElement, list: HTMLElement): Promise<void> {
  if ("leavesView" in form.dataset) {
    form.requestSubmit();
    return;
  }
  await fetch(form.action, { method: "POST", body: new FormData(form), headers: { "HX-Request": "true" } });
  htmx.trigger(list, "live");
}

type OnDrop = (order: string[], moved: string) => void;

function bindHeadings(list: HTMLElement, onDrop: OnDrop): void {
  // Otherwise the browser would drag the heading's link.
  list.addEventListener("dragstart", (event) => {
    if ((event.target as Element).closest("thead")) event.preventDefault();
  });
  list.addEventListener("pointerdown", (event) => {
    const heading = (event.target as Element).closest<HTMLElement>("th[data-column]");
    // Touch scrolls the table; the menu has buttons instead.
    if (!heading || event.button !== 0 || event.pointerType === "touch") return;
    new Drag(list, heading.dataset["column"]!, event.clientX, onDrop);
  });
}

/** One drag of a heading, from pressing the button to releasing it. */
class Drag {
  private readonly list: HTMLElement;
  private readonly name: string;
  private readonly from: number;
  private readonly onDrop: OnDrop;
  private readonly listening = new AbortController();
  /** The column before which it would be dropped; '' for the end, undefined before any movement. */
  private before: string | undefined;

  constructor(list: HTMLElement, name: string, from: number, onDrop: OnDrop) {
    this.list = list;
    this.name = name;
    this.from = from;
    this.onDrop = onDrop;
    const { signal } = this.listening;
    document.addEventListener("pointermove", (event) => this.move(event), { signal });
    document.addEventListener("pointerup", () => this.drop(), { signal });
    document.addEventListener("pointercancel", () => this.end(), { signal });
    document.addEventListener("keydown", (event) => event.key === "Escape" && this.end(), { signal });
  }

  // Looked up each time: an update may have replaced them meanwhile.
  private get headings(): HTMLElement[] {
    return [...this.list.querySelectorAll<HTMLElement>("th[data-column]")].filter((each) => each.offsetWidth);
  }

  private move(event: PointerEvent): void {
    if (this.before === undefined && Math.abs(event.clientX - this.from) < DRAG) return;
    event.preventDefault();
    document.body.classList.add("is-moving-column");
    const headings = this.headings;
    const next = headings.find((each) => {
      const { left, width } = each.getBoundingClientRect();
      return event.clientX < left + width / 2;
    });
    this.before = next?.dataset["column"] ?? "";
    for (const [number, each] of headings.entries()) {
      each.classList.toggle("is-moved", each.dataset["column"] === this.name);
      each.classList.toggle("takes-before", each === next);
      each.classList.toggle("takes-after", !next && number === headings.length - 1);
    }
  }

  private drop(): void {
    const { before } = this;
    if (before !== undefined) {
      // The click that follows would sort.
      const refuse = (event: Event): void => event.preventDefault();
      document.addEventListener("click", refuse, { capture: true });
      setTimeout(() => document.removeEventListener("click", refuse, { capture: true }), 0);
    }
    this.end();
    if (before === undefined || before === this.name) return;
    const all = [...this.list.querySelectorAll<HTMLElement>("th[data-column]")];
    const names = all.map((each) => each.dataset["column"]!);
    const order = names.filter((name) => name !== this.name);
    order.splice(before ? order.indexOf(before) : order.length, 0, this.name);
    if (order.join() === names.join()) return;
    this.place(names, order);
    this.onDrop(order, this.name);
  }

  /** Move the cells immediately; the server's response will look the same. */
  private place(names: string[], order: string[]): void {
    const first = 1; // after the selection checkbox
    for (const row of this.list.querySelectorAll<HTMLTableRowElement>("table tr")) {
      const cells = [...row.cells];
      row.append(...order.map((name) => cells[first + names.indexOf(name)]!));
    }
  }

  private end(): void {
    this.listening.abort();
    document.body.classList.remove("is-moving-column");
    for (const each of this.list.querySelectorAll("th[data-column]")) {
      each.classList.remove("is-moved", "takes-before", "takes-after");
    }
  }
}
