/**
 * Side-by-side comparison with another image of the study or with a prior, optionally with linked zoom,
 * pan and window.
 */

import { find, type ImageEntry, type PriorEntry } from "./page";
import type { Pane } from "./pane";

export class Comparison {
  isOpen = false;
  isLinked: boolean;
  private readonly stage: HTMLElement;
  private readonly choice: HTMLSelectElement;
  private readonly images = new Map<string, ImageEntry>();
  private readonly first = new Map<string, string>();
  private readonly own: ImageEntry[];
  private readonly openPane: () => Pane;
  private readonly current: Pane;
  private pane: Pane | null = null;

  constructor(
    stage: HTMLElement,
    current: Pane,
    own: ImageEntry[],
    priors: PriorEntry[],
    openPane: () => Pane,
    isLinked: boolean,
  ) {
    this.stage = stage;
    this.current = current;
    this.openPane = openPane;
    this.isLinked = isLinked;
    this.own = own;
    for (const image of own) this.images.set(image.id, image);
    this.choice = find(stage, ".prior-choice");
    for (const prior of priors) {
      for (const image of prior.images) {
        this.images.set(image.id, image);
        if (!this.first.has(prior.id)) this.first.set(prior.id, image.id);
      }
    }
    this.choice.addEventListener("change", () => this.show(this.choice.value));
  }

  get prior(): Pane | null {
    return this.isOpen ? this.pane : null;
  }

  /** Whether the second pane shows another image of the same study. */
  get showsOwn(): boolean {
    return this.isOpen && this.own.some(({ id }) => id === this.choice.value);
  }

  /** Images of different projections cannot share pan and window. */
  get canLink(): boolean {
    return this.isOpen && !this.showsOwn;
  }

  /** Show the study to compare with first, the latest earlier one, or close that pane. */
  toggle(): void {
    const [first] = this.first.values();
    if (this.canLink) this.close();
    else if (first) this.show(first);
  }

  /** Show another image of this study in the second pane, or close that pane. */
  toggleOwn(): void {
    const other = this.own.find(({ id }) => id !== this.current.image?.id);
    if (this.showsOwn) this.close();
    else if (other) this.show(other.id);
  }

  /** Show the first image of a prior study. */
  open(study: string): void {
    const image = this.first.get(study);
    if (image) this.show(image);
  }

  close(): void {
    this.isOpen = false;
    this.stage.classList.remove("is-comparing");
  }

  private show(id: string): void {
    const image = this.images.get(id);
    if (!image) return;
    this.choice.value = id;
    this.isOpen = true;
    this.stage.classList.add("is-comparing");
    if (!this.pane) {
      this.pane = this.openPane();
      const prior = this.pane;
      this.link(this.current, prior);
      this.link(prior, this.current);
    }
    if (this.pane.image?.id !== id) void this.pane.show(image).then(() => this.align());
  }

  setLinked(isLinked: boolean): void {
    this.isLinked = isLinked;
    this.align();
  }

  private align(): void {
    if (!this.isLinked || !this.canLink || !this.prior?.isLoaded || !this.current.isLoaded) return;
    this.prior.adopt(this.current.view());
  }

  private link(from: Pane, to: Pane): void {
    const before = from.onChange;
    from.onChange = () => {
      before();
      if (this.isLinked && this.canLink && from.isLoaded && to.isLoaded) to.adopt(from.view());
    };
  }
}
