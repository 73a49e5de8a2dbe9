import "vite/modulepreload-polyfill";

import "./viewer.css";
import { bindReadKeys } from "./read";

const ZOOM_STEP = 1.2;
const LEAST_ZOOM = 0.05;
const MOST_ZOOM = 20;

/** A window on 8-bit greys: `centre` becomes mid-grey, `width` spans black to white. */
type GreyWindow = { centre: number; width: number };

const FULL_WINDOW: GreyWindow = { centre: 127.5, width: 255 };

/** Shows one radiograph at a time, with the model's heat map on top when the reader wants it. */
class Viewer {
  private readonly root: HTMLElement;
  private readonly stage: HTMLElement;
  private readonly picture: HTMLElement;
  private readonly image: HTMLImageElement;
  private readonly heatmap: HTMLImageElement;
  private readonly message: HTMLElement;
  private readonly heatmapSwitch: HTMLInputElement;
  private readonly opacity: HTMLInputElement;
  private readonly settingsKey: string;

  private greys: GreyWindow = { ...FULL_WINDOW };
  private inverted = false;
  /** Screen pixels for each pixel of the image, and where its upper left corner is. */
  private scale = 1;
  private left = 0;
  private top = 0;
  private fitted = true;
  private panning = false;
  private heatmapSource = "";

  constructor(root: HTMLElement) {
    this.root = root;
    this.stage = this.find(".viewer-stage");
    this.picture = this.find(".viewer-picture");
    this.image = this.find(".viewer-image");
    this.heatmap = this.find(".viewer-overlay");
    this.message = this.find(".viewer-message");
    this.heatmapSwitch = this.find("[data-heatmap-switch]");
    this.opacity = this.find("[data-heatmap-opacity]");
    // Remembered for each reader, because several share a workstation.
    this.settingsKey = `chestline.viewer.${root.dataset["reader"]}`;
    this.restoreSettings();
    this.bind();
    const first = root.querySelector<HTMLInputElement>("[data-image]:checked");
    if (first) this.show(first);
  }

  private find<T extends HTMLElement>(selector: string): T {
    const element = this.root.querySelector<T>(selector);
    if (!element) throw new Error(`The viewer's page lacks ${selector}`);
    return element;
  }

  private bind(): void {
    for (const choice of this.root.querySelectorAll<HTMLInputElement>("[data-image]")) {
      choice.addEventListener("change", () => this.show(choice));
    }
    for (const button of this.root.querySelectorAll<HTMLElement>("[data-action]")) {
      button.addEventListener("click", () => this.act(button.dataset["action"] ?? ""));
    }
    this.image.addEventListener("load", () => this.loaded());
    this.image.addEventListener("error", () => this.failed());
    this.heatmapSwitch.addEventListener("change", () => this.heatmapChanged());
    this.opacity.addEventListener("input", () => this.heatmapChanged());
    this.stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.stage.addEventListener("pointerdown", (event) => this.drag(event));
    this.stage.addEventListener("dblclick", () => this.fit());
    this.stage.addEventListener("contextmenu", (event) => event.preventDefault());
    document.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => (this.fitted ? this.fit() : undefined)).observe(this.stage);
  }

  // ── Images ────────────────────────────────────────────────────────────────────────────────────

  private show(choice: HTMLInputElement): void {
    this.say("Loading the image …");
    this.picture.hidden = true;
    this.heatmapSource = choice.dataset["heatmap"] ?? "";
    this.heatmapSwitch.disabled = this.opacity.disabled = !this.heatmapSource;
    this.heatmap.removeAttribute("src");
    this.image.src = choice.dataset["image"] ?? "";
    const shown = choice.dataset["radiograph"];
    for (const part of document.querySelectorAll<HTMLElement>("[data-of-radiograph]")) {
      part.hidden = part.dataset["ofRadiograph"] !== shown;
    }
  }

  private loaded(): void {
    this.say("");
    this.picture.hidden = false;
    this.picture.style.width = `${this.image.naturalWidth}px`;
    this.picture.style.height = `${this.image.naturalHeight}px`;
    this.reset();
    this.updateHeatmap();
  }

  private failed(): void {
    this.say(
      "The image could not be loaded. Reload the page; if it fails again, download the original" +
        " and tell hospital IT.",
    );
  }

  private say(text: string): void {
    this.message.textContent = text;
    this.message.hidden = text === "";
  }

  // ── What can be done ──────────────────────────────────────────────────────────────────────────

  private act(action: string): void {
    if (action === "zoom-in") this.zoom(ZOOM_STEP);
    if (action === "zoom-out") this.zoom(1 / ZOOM_STEP);
    if (action === "fit") this.fit();
    if (action === "reset") this.reset();
    if (action === "invert") this.invert();
    if (action === "pan") this.setPanning(!this.panning);
  }

  private key(event: KeyboardEvent): void {
    const target = event.target as HTMLElement;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (target.closest("textarea, select, input:not([type=range]):not([type=radio]), .modal")) return;
    const action = { i: "invert", "+": "zoom-in", "-": "zoom-out", "=": "fit", p: "pan" }[event.key];
    if (action) this.act(action);
    if (event.key === "h" && !this.heatmapSwitch.disabled) this.heatmapSwitch.click();
    if (event.key === " " && (target === document.body || target === this.stage)) {
      event.preventDefault();
      this.reset();
    }
  }

  private reset(): void {
    this.greys = { ...FULL_WINDOW };
    this.inverted = false;
    this.updateGreys();
    this.fit();
  }

  private invert(): void {
    this.inverted = !this.inverted;
    this.updateGreys();
  }

  private setPanning(panning: boolean): void {
    this.panning = panning;
    this.stage.classList.toggle("is-panning", panning);
    const button = this.find<HTMLElement>("[data-action=pan]");
    button.classList.toggle("active", panning);
    button.setAttribute("aria-pressed", String(panning));
  }

  private fit(): void {
    const { naturalWidth: width, naturalHeight: height } = this.image;
    if (!width || !height) return;
    const { clientWidth, clientHeight } = this.stage;
    this.scale = Math.min(clientWidth / width, clientHeight / height);
    this.left = (clientWidth - width * this.scale) / 2;
    this.top = (clientHeight - height * this.scale) / 2;
    this.fitted = true;
    this.updatePlace();
  }

  /** Zoom by `factor` around a point of the stage, by default its middle. */
  private zoom(factor: number, x = this.stage.clientWidth / 2, y = this.stage.clientHeight / 2): void {
    const scale = Math.min(Math.max(this.scale * factor, LEAST_ZOOM), MOST_ZOOM);
    const change = scale / this.scale;
    this.left = x - (x - this.left) * change;
    this.top = y - (y - this.top) * change;
    this.scale = scale;
    this.fitted = false;
    this.updatePlace();
  }

  private wheel(event: WheelEvent): void {
    event.preventDefault();
    const box = this.stage.getBoundingClientRect();
    const factor = Math.exp(-Math.sign(event.deltaY) * Math.min(Math.abs(event.deltaY), 100) / 500);
    this.zoom(factor, event.clientX - box.left, event.clientY - box.top);
  }

  /** Left button: window, or move with the hand tool or Shift. Middle: move. Right: zoom. */
  private drag(start: PointerEvent): void {
    this.stage.focus({ preventScroll: true });
    start.preventDefault();
    this.stage.setPointerCapture(start.pointerId);
    const moves = start.button === 1 || (start.button === 0 && (this.panning || start.shiftKey));
    const box = this.stage.getBoundingClientRect();
    const move = (event: PointerEvent): void => {
      if (moves) this.pan(event.movementX, event.movementY);
      else if (start.button === 2) {
        const factor = Math.exp(-event.movementY / 150);
        this.zoom(factor, start.clientX - box.left, start.clientY - box.top);
      } else this.changeWindow(event.movementX, event.movementY);
    };
    const stop = (): void => {
      this.stage.removeEventListener("pointermove", move);
      this.stage.removeEventListener("pointerup", stop);
      this.stage.removeEventListener("pointercancel", stop);
    };
    this.stage.addEventListener("pointermove", move);
    this.stage.addEventListener("pointerup", stop);
    this.stage.addEventListener("pointercancel", stop);
  }

  private pan(x: number, y: number): void {
    this.left += x;
    this.top += y;
    this.fitted = false;
    this.updatePlace();
  }

  private changeWindow(x: number, y: number): void {
    this.greys.width = Math.min(Math.max(this.greys.width + x, 2), 1020);
    this.greys.centre = Math.min(Math.max(this.greys.centre + y / 2, -127), 382);
    this.updateGreys();
  }

  // ── What is shown ─────────────────────────────────────────────────────────────────────────────

  private updatePlace(): void {
    this.picture.style.transform = `translate(${this.left}px, ${this.top}px) scale(${this.scale})`;
    this.find("[data-shown-zoom]").textContent = `${Math.round(this.scale * 100)} %`;
  }

  private updateGreys(): void {
    let slope = 255 / this.greys.width;
    let intercept = 0.5 - this.greys.centre / this.greys.width;
    if (this.inverted) [slope, intercept] = [-slope, 1 - intercept];
    for (const part of document.querySelectorAll("#viewer-window feComponentTransfer > *")) {
      part.setAttribute("slope", String(slope));
      part.setAttribute("intercept", String(intercept));
    }
    const { centre, width } = this.greys;
    this.find("[data-shown-window]").textContent =
      `W ${Math.round(width)} · L ${Math.round(centre)}${this.inverted ? " · inverted" : ""}`;
    const button = this.find<HTMLElement>("[data-action=invert]");
    button.classList.toggle("active", this.inverted);
    button.setAttribute("aria-pressed", String(this.inverted));
  }

  private updateHeatmap(): void {
    const wanted = this.heatmapSwitch.checked && this.heatmapSource !== "";
    if (wanted && !this.heatmap.hasAttribute("src")) this.heatmap.src = this.heatmapSource;
    this.heatmap.hidden = !wanted;
    this.heatmap.style.opacity = String(Number(this.opacity.value) / 100);
    this.find(".viewer-legend").hidden = !wanted;
    this.find("[data-shown-opacity]").textContent = `${this.opacity.value} %`;
  }

  private heatmapChanged(): void {
    this.updateHeatmap();
    const settings = { heatmap: this.heatmapSwitch.checked, opacity: this.opacity.value };
    localStorage.setItem(this.settingsKey, JSON.stringify(settings));
  }

  private restoreSettings(): void {
    const stored = localStorage.getItem(this.settingsKey);
    const settings = stored ? (JSON.parse(stored) as { heatmap: boolean; opacity: string }) : null;
    this.heatmapSwitch.checked = settings?.heatmap ?? false;
    this.opacity.value = settings?.opacity ?? "30";
    this.updateHeatmap();
  }
}

for (const root of document.querySelectorAll<HTMLElement>(".viewer")) new Viewer(root);
bindReadKeys();
