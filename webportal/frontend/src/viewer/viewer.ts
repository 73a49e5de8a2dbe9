/** The viewer of the study page: panes, buttons and shortcuts. */

import {
  Enums,
  getShouldUseCPURendering,
  init as initCore,
  RenderingEngine,
  setUseCPURendering,
} from "@cornerstonejs/core";
import { init as initTools } from "@cornerstonejs/tools";

import { reportImageState } from "../gate";
import type { Life } from "../life";
import { fetchAhead } from "./ahead";
import { Comparison } from "./comparison";
import { CONTEXTS } from "./graphics";
import { bindKeys } from "./keys";
import { Lens } from "./lens";
import { MachineLayer } from "./machine";
import { Marking } from "./marking";
import { Measuring } from "./measuring";
import { find, type ImageEntry, RememberedSettings, readPage } from "./page";
import { Pane } from "./pane";
import { watchPinch } from "./pinch";
import { registerPixels } from "./pixels";
import { Strip } from "./strip";
import { TOOL_NAMES, Tools } from "./tools";
import { reportWhenDrawn } from "./viewing";
import { followSides } from "./zones";

const ENGINE = "reading";
const ZOOM_STEP = 1.2;

/** Shared by all studies, because starting it takes longer than everything else. */
let engine: RenderingEngine;

export class Viewer {
  private readonly root: HTMLElement;
  private readonly stage: HTMLElement;
  private readonly page = readPage();
  private readonly settings = new RememberedSettings(this.page.reader);
  private readonly life: Life;
  private readonly tools: Tools;
  private readonly pane: Pane;
  private readonly lens: Lens;
  private readonly machine: MachineLayer;
  private readonly marking: Marking;
  private readonly measuring: Measuring;
  private readonly comparison: Comparison;
  private readonly strip: Strip;
  private readonly help: HTMLDialogElement;
  private active: Pane;
  private isAhead = false;
  private areOverlaysShown = true;
  private areShuttersShut = true;
  /** All panes opened so far, visible or not. */
  private readonly opened: Pane[] = [];
  private readonly sizes = new ResizeObserver(() => this.resize());

  constructor(root: HTMLElement, life: Life) {
    this.root = root;
    this.life = life;
    this.tools = new Tools(this.page.texts, life);
    this.stage = find(root, ".viewer-stage");
    this.help = find(root, ".viewer-keys");
    this.lens = new Lens(engine, life, find(root, ".viewer-lens"), this.page.texts);
    this.pane = this.openPane("current");
    this.active = this.pane;
    this.strip = new Strip(root, this.page.images, life);
    this.comparison = new Comparison(
      this.stage,
      this.pane,
      this.page.images,
      this.page.priors,
      () => this.openPane("prior"),
      this.settings.values.linked,
    );
    this.machine = new MachineLayer(root, () => this.panes());
    this.marking = new Marking(this.page, this.pane, {
      chooseTool: () => {
        this.act("tool-mark");
        this.stage.scrollIntoView({ block: "nearest" });
      },
      showImage: (image) => this.choose(image),
      onToggled: () => this.update(),
    });
    this.measuring = new Measuring(this.page, this.tools);
    this.pane.onShown = (image) => this.onOwnImageShown(image);
    this.pane.onLost = (image) => image && reportImageState(image.id, "lost");
    this.bind();
    this.chooseTool("tool-window");
    this.update();
    const first = this.page.images.find(({ id }) => id === this.page.first);
    if (first) this.show(first);
  }

  private openPane(name: string): Pane {
    const root = find<HTMLElement>(this.stage, `[data-pane="${name}"]`);
    const pane = new Pane(engine, this.life, name, root, this.page.texts);
    this.tools.add(name, ENGINE);
    this.lens.watch(pane);
    watchPinch(pane, () => this.act("cancel"));
    this.opened.push(pane);
    this.sizes.observe(pane.element);
    pane.setLayer("overlay", this.areOverlaysShown);
    pane.setLayer("shutter", this.areShuttersShut);
    pane.onShown = (image) => this.onImageShown(pane, image);
    pane.onDrawn = () => this.onDrawn(pane);
    root.addEventListener("pointerdown", () => this.activate(pane), { capture: true });
    return pane;
  }

  private resize(): void {
    for (const pane of this.opened) pane.beginResize();
    engine.resize(true, true);
    for (const pane of this.opened) pane.endResize();
  }

  private bind(): void {
    for (const choice of this.root.querySelectorAll<HTMLInputElement>("[data-image]")) {
      choice.addEventListener("change", () => {
        const image = this.page.images.find(({ id }) => id === choice.value);
        if (image) this.show(image);
      });
    }
    for (const button of this.root.querySelectorAll<HTMLElement>("[data-action]")) {
      button.addEventListener("click", () => this.act(button.dataset["action"] ?? ""));
    }
    for (const button of document.querySelectorAll<HTMLElement>("[data-compare]")) {
      button.addEventListener("click", () => {
        this.comparison.open(button.dataset["compare"] ?? "");
        this.update();
        this.stage.scrollIntoView({ block: "nearest" });
      });
    }
    find(this.stage, "[data-close-second]").addEventListener("click", () => {
      this.comparison.close();
      this.update();
    });
    this.stage.addEventListener("contextmenu", (event) => event.preventDefault());
    this.tools.watch(() => {
      this.measuring.update();
      this.update();
    });
    bindKeys(
      this.page.keys,
      this.stage,
      this.life,
      (action) => this.act(action),
      (action) => this.isOfUse(action),
    );
    this.life.onEnd(() => this.sizes.disconnect());
  }

  // ── Images ────────────────────────────────────────────────────────────────────────────────────

  private show(image: ImageEntry): void {
    for (const part of document.querySelectorAll<HTMLElement>("[data-of-radiograph]")) {
      part.hidden = part.dataset["ofRadiograph"] !== image.id;
    }
    reportImageState(image.id, "loading");
    void this.pane.show(image);
  }

  /** Called when an image has been displayed in any pane. */
  private onImageShown(pane: Pane, image: ImageEntry): void {
    reportWhenDrawn(pane, image);
    this.machine.update();
    this.marking.follow(pane);
    this.measuring.follow(pane);
    this.update();
  }

  private onOwnImageShown(image: ImageEntry): void {
    this.onImageShown(this.pane, image);
    if (this.isAhead) return;
    this.isAhead = true;
    const onFirstDrawn = (): void => {
      // Read by the benchmark.
      performance.mark("first-image");
      void this.strip.draw().then(() => fetchAhead(this.page.ahead, this.life));
    };
    this.pane.element.addEventListener(Enums.Events.IMAGE_RENDERED, onFirstDrawn, { once: true });
  }

  /** Update the parts that depend on the image and its orientation. */
  private onDrawn(pane: Pane): void {
    const isOwn = this.page.images.some(({ id }) => id === this.active.image?.id);
    if (pane === (isOwn ? this.active : this.pane) && pane.sides) {
      followSides(pane.sides.names, pane.sides.turn, this.page.texts);
    }
    find(this.root, "[data-action=overlay]").hidden = !this.panes().some(
      ({ layers }) => layers.overlay.exists,
    );
    find(this.root, "[data-action=shutter]").hidden = !this.panes().some(
      ({ layers }) => layers.shutter.exists,
    );
  }

  private toggleOverlays(): void {
    this.areOverlaysShown = !this.areOverlaysShown;
    for (const pane of this.opened) pane.setLayer("overlay", this.areOverlaysShown);
  }

  private toggleShutters(): void {
    this.areShuttersShut = !this.areShuttersShut;
    for (const pane of this.opened) pane.setLayer("shutter", this.areShuttersShut);
  }

  /** Show another image of the study, as a click on its thumbnail would. */
  private choose({ id }: ImageEntry): void {
    this.root.querySelector<HTMLElement>(`[data-image][value="${id}"]`)?.click();
  }

  private step(by: number): void {
    this.neighbour(by)?.click();
  }

  private neighbour(by: number): HTMLInputElement | undefined {
    const choices = [...this.root.querySelectorAll<HTMLInputElement>("[data-image]")];
    return choices[choices.findIndex((choice) => choice.checked) + by];
  }

  /** Whether a key does anything here; without a further image the page keys scroll. */
  private isOfUse(action: string): boolean {
    if (action === "next-image") return this.neighbour(1) !== undefined;
    if (action === "previous-image") return this.neighbour(-1) !== undefined;
    return true;
  }

  // ── Actions ───────────────────────────────────────────────────────────────────────────────────

  private act(action: string): void {
    const { active, comparison } = this;
    const actions: Record<string, () => void> = {
      invert: () => active.invert(),
      "flip-horizontal": () => active.flipHorizontally(),
      "flip-vertical": () => active.flipVertically(),
      "rotate-left": () => active.rotate(-90),
      "rotate-right": () => active.rotate(90),
      fit: () => active.fit(),
      reset: () => active.reset(),
      "zoom-in": () => active.zoomBy(ZOOM_STEP),
      "zoom-out": () => active.zoomBy(1 / ZOOM_STEP),
      "delete-last": () => this.tools.deleteLast(),
      "delete-all": () => this.tools.deleteAll(),
      cancel: () => {
        this.marking.cancel();
        this.tools.cancel(this.panes().map((pane) => pane.element));
      },
      heatmap: () => this.machine.toggle(),
      marks: () => this.marking.toggle(),
      overlay: () => this.toggleOverlays(),
      shutter: () => this.toggleShutters(),
      texts: () => this.stage.classList.toggle("hides-texts"),
      compare: () => comparison.toggle(),
      "two-up": () => comparison.toggleOwn(),
      link: () => this.link(),
      "next-pane": () => this.activate(this.panes().at(-1) ?? active),
      "previous-pane": () => this.activate(this.pane),
      "next-image": () => this.step(1),
      "previous-image": () => this.step(-1),
      help: () => this.help.showModal(),
    };
    if (action.startsWith("tool-")) this.chooseTool(action);
    else if (action.startsWith("window-")) active.useWindow(Number(action.slice(-1)));
    else actions[action]?.();
    this.update();
  }

  private panes(): Pane[] {
    const { prior } = this.comparison;
    return prior ? [this.pane, prior] : [this.pane];
  }

  private activate(pane: Pane): void {
    this.active = pane;
    this.update();
    this.onDrawn(pane);
  }

  private chooseTool(action: string): void {
    if (action === "tool-mark" && !this.marking.isOpen) return;
    this.marking.setChosen(action === "tool-mark");
    this.lens.isChosen = action === "tool-magnify";
    this.tools.choose(action in TOOL_NAMES ? action : "");
    this.stage.dataset["tool"] = action;
  }

  private link(): void {
    this.comparison.setLinked(!this.comparison.isLinked);
    this.settings.change({ linked: this.comparison.isLinked });
  }

  /** Update the buttons and the frame to the current state. */
  private update(): void {
    const { isOpen, isLinked, canLink, showsOwn } = this.comparison;
    if (!isOpen) this.active = this.pane;
    const isOn: Record<string, boolean> = {
      compare: canLink,
      "two-up": showsOwn,
      link: canLink && isLinked,
      marks: this.marking.areShown,
      overlay: this.areOverlaysShown,
      shutter: this.areShuttersShut,
      texts: !this.stage.classList.contains("hides-texts"),
    };
    for (const button of this.root.querySelectorAll<HTMLElement>(".viewer-toolbar [data-action]")) {
      const action = button.dataset["action"] ?? "";
      const isTool = action.startsWith("tool-");
      if (!isTool && !(action in isOn)) continue;
      const isActive = isTool ? action === this.stage.dataset["tool"] : (isOn[action] ?? false);
      button.classList.toggle("active", isActive);
      button.setAttribute("aria-pressed", String(isActive));
    }
    for (const button of this.root.querySelectorAll<HTMLButtonElement>("[data-action=link]")) {
      button.disabled = !canLink;
    }
    this.measuring.setShown(this.marking.areShown);
    for (const pane of this.panes()) {
      pane.root.classList.toggle("is-active", isOpen && pane === this.active);
    }
    find(this.root, ".viewer-not-kept").hidden = this.tools.count === 0;
  }
}

/** Whether WebGL is emulated in software; Cornerstone's CPU rendering is then far faster. */
function isWebGLInSoftware(): boolean {
  const context = document.createElement("canvas").getContext("webgl2");
  const names = context?.getExtension("WEBGL_debug_renderer_info");
  if (!context || !names) return false;
  const renderer = String(context.getParameter(names.UNMASKED_RENDERER_WEBGL));
  context.getExtension("WEBGL_lose_context")?.loseContext();
  return /swiftshader|llvmpipe|software|basic render/i.test(renderer);
}

/** Initialise Cornerstone once for all studies opened in this document. */
export function prepareViewer(): void {
  initCore({ rendering: { webGlContextCount: CONTEXTS }, debug: { statsOverlay: false } });
  if (isWebGLInSoftware()) setUseCPURendering(true);
  initTools();
  registerPixels();
  engine = new RenderingEngine(ENGINE);
}

export function startViewer(root: HTMLElement, life: Life): void {
  root.dataset["rendering"] = getShouldUseCPURendering() ? "cpu" : "gpu";
  new Viewer(root, life);
}
