/** The model's part: its heat map, and that it waits for readers who want to read first. */

import { type RememberedSettings, find } from "./page";
import type { Pane } from "./pane";

export class MachineLayer {
  private readonly root: HTMLElement;
  private readonly pane: Pane;
  private readonly settings: RememberedSettings;
  private readonly onOff: HTMLInputElement;
  private readonly opacity: HTMLInputElement;
  private readonly result: HTMLDetailsElement | null;
  /** For readers who read first it is switched on for each study anew. */
  private isOn: boolean;

  constructor(root: HTMLElement, pane: Pane, settings: RememberedSettings) {
    this.root = root;
    this.pane = pane;
    this.settings = settings;
    this.onOff = find(root, "[data-heatmap-switch]");
    this.opacity = find(root, "[data-heatmap-opacity]");
    // There alone where the reader reads first and has not signed.
    this.result = document.querySelector("details[data-machine-result]");
    this.isOn = this.result === null && settings.values.heatmap;
    this.opacity.value = String(settings.values.opacity);
    this.onOff.addEventListener("change", () => this.switchTo(this.onOff.checked));
    this.opacity.addEventListener("input", () => {
      settings.change({ opacity: Number(this.opacity.value) });
      this.update();
    });
    this.result?.addEventListener("toggle", () => this.update());
    this.update();
  }

  toggle(): void {
    if (!this.onOff.disabled) this.switchTo(!this.isOn);
  }

  private switchTo(isOn: boolean): void {
    this.isOn = isOn;
    if (this.result === null) this.settings.change({ heatmap: isOn });
    this.update();
  }

  update(): void {
    const isHidden = this.result !== null && !this.result.open;
    document.querySelector(".study-page")?.classList.toggle("machine-is-hidden", isHidden);
    const isOn = this.isOn && !isHidden;
    this.onOff.disabled = isHidden || !this.pane.heatmap.exists;
    this.onOff.checked = isOn && this.pane.heatmap.exists;
    this.opacity.disabled = !this.onOff.checked;
    find(this.root, "[data-shown-opacity]").textContent = `${this.opacity.value} %`;
    find(this.root, ".viewer-legend").hidden = !this.onOff.checked;
    this.pane.heatmap.set(isOn, Number(this.opacity.value));
  }
}
