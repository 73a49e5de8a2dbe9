/**
 * A list that renders only the visible rows, so that five thousand scroll as smoothly as five. All
 * rows have the same height and are reused.
 */
export class FileList {
  private readonly root: HTMLElement;
  private readonly canvas: HTMLElement;
  private readonly template: HTMLTemplateElement;
  private readonly fill: (row: HTMLElement, index: number) => void;
  private readonly rows: HTMLElement[] = [];
  private readonly rowHeight: number;
  private count = 0;
  private isFollowing = true;
  private isOwnScroll = false;

  /** `fill` writes the file with an index into a row made from `template`. */
  constructor(
    root: HTMLElement,
    template: HTMLTemplateElement,
    fill: (row: HTMLElement, index: number) => void,
  ) {
    this.root = root;
    this.template = template;
    this.fill = fill;
    this.canvas = document.createElement("ul");
    this.canvas.className = "file-canvas";
    root.append(this.canvas);
    this.rowHeight = Number.parseFloat(getComputedStyle(root).getPropertyValue("--row-height"));
    root.addEventListener("scroll", () => {
      // After scrolling by hand the list stays put, until its end is reached.
      if (!this.isOwnScroll) this.isFollowing = root.scrollTop + root.clientHeight >= root.scrollHeight - 1;
      this.isOwnScroll = false;
      this.paint();
    });
    new ResizeObserver(() => this.paint()).observe(root);
  }

  /** Show `count` files, with `current` visible unless the user has scrolled elsewhere. */
  show(count: number, current: number): void {
    if (count !== this.count) {
      this.count = count;
      this.canvas.style.height = `${count * this.rowHeight}px`;
    }
    if (this.isFollowing) this.follow(current);
    this.paint();
  }

  private follow(current: number): void {
    const wanted = Math.max(0, (current - 2) * this.rowHeight);
    const top = Math.min(wanted, this.root.scrollHeight - this.root.clientHeight);
    if (Math.abs(this.root.scrollTop - top) < 1) return;
    this.isOwnScroll = true;
    this.root.scrollTop = top;
  }

  private paint(): void {
    const first = Math.max(0, Math.floor(this.root.scrollTop / this.rowHeight) - 4);
    const shown = Math.min(this.count - first, Math.ceil(this.root.clientHeight / this.rowHeight) + 8);
    while (this.rows.length < shown) this.rows.push(this.newRow());
    for (const [number, row] of this.rows.entries()) {
      row.hidden = number >= shown;
      if (row.hidden) continue;
      const index = first + number;
      row.style.transform = `translateY(${index * this.rowHeight}px)`;
      row.setAttribute("aria-posinset", String(index + 1));
      row.setAttribute("aria-setsize", String(this.count));
      this.fill(row, index);
    }
  }

  private newRow(): HTMLElement {
    const row = this.template.content.firstElementChild!.cloneNode(true) as HTMLElement;
    this.canvas.append(row);
    return row;
  }
}
