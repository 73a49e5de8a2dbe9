/** The model's result and heat map, initially closed for readers who read first. */

import { find } from "./page";
import type { Pane } from "./pane";

/** In per cent. Reset for each study: an opacity that suited one image may hide a finding in another. */
const OPACITY = 30;

export class MachineLayer {
  private readonly root: HTMLElement;
  private readonly panes: () => Pane[];
  private readonly onOff: HTMLInputElement;
  private readonly opacity: HTMLInputElement;
  private readonly result: HTMLDetailsElement | null;
  private isOn = false;

  /** `panes` returns the visible panes. */
  constructor(root: HTMLElement, panes: () => Pane[]) {
    this.root = root;
    this.panes = panes;
    this.onOff = find(root, "[data-heatmap-switch]");
    this.opacity = find(root, "[data-heatmap-opacity]");
    // Present only if the reader reads first and has not signed yet.
    this.result = document.querySelector("details[data-machine-result]");
    this.opacity.value = String(OPACITY);
    this.onOff.addEventListener("change", () => this.switchTo(this.onOff.checked));
    this.opacity.addEventListener("input", () => this.update());
    this.result?.addEventListener("toggle", () => this.update());
    this.update();
  }

  toggle(): void {
    if (!this.onOff.disabled) this.switchTo(!this.isOn);
  }

  private switchTo(isOn: boolean): void {
    this.isOn = isOn;
    this.update();
  }

  update(): void {
    const isHidden = this.result !== null && !this.result.open;
    document.querySelector(".study-page")?.classList.toggle("machine-is-hidden", isHidden);
    const isOn = this.isOn && !isHidden;
    const exists = this.panes().some(({ layers }) => layers.heatmap.exists);
    this.onOff.disabled = isHidden || !exists;
    this.onOff.checked = isOn && exists;
    this.opacity.disabled = !this.onOff.checked;
    find(this.root, "[data-shown-opacity]").textContent = `${this.opacity.value} %`;
    const legend = find(this.root, ".viewer-legend");
    legend.hidden = !exists || isHidden;
    legend.classList.toggle("is-off", !this.onOff.checked);
    for (const { layers } of this.panes()) layers.heatmap.set(isOn, Number(this.opacity.value));
  }
}
