import type { Life } from "../life";

/** The selected rows, kept across updates. */
export class Selection {
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
    this.bar?.addEventListener("click", (event) => requireFields(event.target as Element));
    this.bar?.querySelector("[data-clear-selection]")?.addEventListener("click", () => this.clear());
    // Browsers may restore ticked checkboxes on history navigation.
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

  /** Read the selection from the checkboxes, dropping rows that an update removed. */
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

/** Use browser validation for a bulk action's required fields: an error page would lose the selection. */
function requireFields(clicked: Element): void {
  const button = clicked.closest<HTMLButtonElement>("button[name=action]");
  if (!button) return;
  for (const select of button.form?.querySelectorAll<HTMLSelectElement>(".bulk-group select") ?? []) {
    select.required = select.parentElement === button.parentElement;
  }
}
