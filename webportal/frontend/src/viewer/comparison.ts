/** An earlier study beside the current one; zoom, place and window of both together on demand. */

import type { Pane } from "./pane";
import { type ImageEntry, type PriorEntry, find } from "./page";

export class Comparison {
  isOpen = false;
  isLinked: boolean;
  private readonly stage: HTMLElement;
  private readonly choice: HTMLSelectElement;
  private readonly images = new Map<string, ImageEntry>();
  private readonly first = new Map<string, string>();
  private readonly openPane: () => Pane;
  private readonly current: Pane;
  private pane: Pane | null = null;

  constructor(
    stage: HTMLElement,
    current: Pane,
    priors: PriorEntry[],
    openPane: () => Pane,
    isLinked: boolean,
  ) {
    this.stage = stage;
    this.current = current;
    this.openPane = openPane;
    this.isLinked = isLinked;
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

  toggle(): void {
    if (this.isOpen) this.close();
    else if (this.choice.value) this.show(this.choice.value);
  }

  /** Show the first image of an earlier study. */
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
    if (!this.isLinked || !this.prior?.isLoaded || !this.current.isLoaded) return;
    this.prior.adopt(this.current.view());
  }

  private link(from: Pane, to: Pane): void {
    const before = from.onChange;
    from.onChange = () => {
      before();
      if (this.isLinked && this.isOpen && from.isLoaded && to.isLoaded) to.adopt(from.view());
    };
  }
}
