/** The magnifying glass: a small pane of the same image that follows the pointer. */

import type { RenderingEngine } from "@cornerstonejs/core";

import type { Life } from "../life";
import type { ImageEntry } from "./page";
import { Pane } from "./pane";

const MAGNIFICATION = 3;

export class Lens {
  isChosen = false;
  private readonly root: HTMLElement;
  private readonly make: () => Pane;
  private pane: Pane | null = null;
  private image: ImageEntry | null = null;

  constructor(engine: RenderingEngine, life: Life, root: HTMLElement, texts: Record<string, string>) {
    this.root = root;
    this.make = () => new Pane(engine, life, "lens", root, texts);
  }

  /** Magnify the image under the pointer while its button is held down on a pane. */
  watch(over: Pane): void {
    over.element.addEventListener("pointerdown", (event) => {
      if (!this.isChosen || event.button !== 0 || !over.isLoaded) return;
      over.element.setPointerCapture(event.pointerId);
      const move = (moved: PointerEvent): void => void this.follow(over, moved);
      const stop = (): void => {
        this.root.hidden = true;
        over.element.removeEventListener("pointermove", move);
      };
      over.element.addEventListener("pointermove", move);
      over.element.addEventListener("pointerup", stop, { once: true });
      over.element.addEventListener("pointercancel", stop, { once: true });
      move(event);
    });
  }

  private async follow(over: Pane, event: PointerEvent): Promise<void> {
    this.root.hidden = false;
    const box = over.element.getBoundingClientRect();
    const point: [number, number] = [event.clientX - box.left, event.clientY - box.top];
    const stage = (this.root.offsetParent ?? this.root).getBoundingClientRect();
    this.root.style.left = `${event.clientX - stage.left - this.root.offsetWidth / 2}px`;
    this.root.style.top = `${event.clientY - stage.top - this.root.offsetHeight / 2}px`;
    // Created on first use, because the element has no size before.
    this.pane ??= this.make();
    const { image } = over;
    if (image && this.image !== image) {
      this.image = image;
      await this.pane.show(image);
    }
    this.pane.magnify(over, over.shareAt(point), MAGNIFICATION);
  }
}
