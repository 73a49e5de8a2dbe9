/** One pane: a Cornerstone3D viewport with its annotations. */

import type { Types } from "@cornerstonejs/core";
import { Enums, imageLoader, type RenderingEngine, type StackViewport } from "@cornerstonejs/core";
import { utilities } from "@cornerstonejs/tools";

import type { Life } from "../life";
import { aim, type Camera, cameraOf, openViewport } from "./camera";
import { Corners } from "./corners";
import { watchGraphics } from "./graphics";
import { Layers } from "./layers";
import {
  flippedHorizontally,
  flippedVertically,
  sidesOnScreen,
  type Turn,
  turnedBy,
  UPRIGHT,
} from "./orientation";
import { find, type ImageEntry } from "./page";
import { headerOf, ImageRefused, imageId, type PixelHeader, type Pixels } from "./pixels";
import { fittedScale, type Point, shareOf, type View, worldOf } from "./view";
import { watchWheel } from "./wheel";
import { type GreyRange, greysAt, sharesOf, windowOf } from "./windows";

export class Pane {
  readonly root: HTMLElement;
  readonly element: HTMLDivElement;
  readonly id: string;
  readonly layers: Layers;
  /** Called when the view has changed, and when an image is loaded but not drawn yet. */
  onChange: () => void = () => undefined;
  onShown: (image: ImageEntry) => void = () => undefined;
  /** Called when the image has been drawn in its current orientation. */
  onDrawn: () => void = () => undefined;
  /** Called when the pane can no longer render; `image` is the one it displayed. */
  onLost: (image: ImageEntry | null) => void = () => undefined;

  image: ImageEntry | null = null;
  private readonly viewport: StackViewport;
  private readonly corners: Corners;
  private readonly message: HTMLElement;
  private header: PixelHeader | null = null;
  private turn: Turn = UPRIGHT;
  private isFitted = true;
  /** Suppresses notifications while the pane changes its own view. */
  private isBusy = false;
  /** Whether the WebGL context is lost. */
  private readonly isLost: () => boolean;
  /** The view as it was last drawn, null when fitted. */
  private kept: View | null = null;

  constructor(
    engine: RenderingEngine,
    life: Life,
    id: string,
    root: HTMLElement,
    texts: Record<string, string>,
  ) {
    this.id = id;
    this.root = root;
    this.element = find<HTMLDivElement>(root, ".pane-view");
    this.message = find(root, ".pane-message");
    this.viewport = openViewport(engine, id, this.element);
    this.corners = new Corners(root, texts);
    this.layers = new Layers(find(this.element, "canvas"));
    const { IMAGE_RENDERED, CAMERA_MODIFIED, VOI_MODIFIED } = Enums.Events;
    this.element.addEventListener(IMAGE_RENDERED, () => this.onRendered());
    this.element.addEventListener(CAMERA_MODIFIED, () => this.onCameraMoved());
    this.element.addEventListener(VOI_MODIFIED, () => this.onViewChanged());
    watchWheel(this);
    this.isLost = watchGraphics(engine, id, life, () => this.lose());
    life.onEnd(() => {
      // Keeps an image still loading from being displayed.
      this.image = null;
      this.header = null;
      engine.disableElement(id);
    });
  }

  // ── The image ─────────────────────────────────────────────────────────────────────────────────

  async show(image: ImageEntry): Promise<void> {
    if (this.isLost()) return this.lose();
    this.image = image;
    this.header = null;
    delete this.root.dataset["shown"];
    this.say(this.corners.texts["loading"] ?? "");
    this.layers.clear();
    const id = imageId(image.pixels);
    try {
      // Otherwise Cornerstone would display a late image over another one chosen in the meantime.
      await imageLoader.loadAndCacheImage(id);
      if (this.image !== image) return;
      await this.viewport.setStack([id]);
    } catch (error) {
      // Ignore the error if another image has been chosen in the meantime.
      if (this.image === image) this.showFailure(error);
      return;
    }
    if (this.image !== image) return;
    this.header = headerOf(id);
    this.root.classList.remove("is-empty");
    this.say("");
    this.corners.describe(image);
    this.layers.show(image, this.header);
    this.restore();
    this.root.dataset["shown"] = image.id;
    this.onShown(image);
  }

  setLayer(layer: "overlay" | "shutter", isShown: boolean): void {
    this.layers[layer].set(isShown);
    if (this.header) this.onRendered();
  }

  get isLoaded(): boolean {
    return this.header !== null;
  }

  private showFailure(error: unknown): void {
    const { texts } = this.corners;
    this.empty(error instanceof ImageRefused ? error.message : (texts["failed"] ?? ""));
  }

  /** Give up on rendering: otherwise the last frame would stay on the screen and ignore all input. */
  private lose(): void {
    const { image } = this;
    this.image = null;
    this.header = null;
    delete this.root.dataset["shown"];
    delete this.root.dataset["drawn"];
    this.layers.clear();
    this.empty(this.corners.texts["lost"] ?? "");
    this.onLost(image);
  }

  private empty(why: string): void {
    this.root.classList.add("is-empty");
    this.say(why);
  }

  say(text: string): void {
    this.message.textContent = text;
    this.message.hidden = text === "";
  }

  get imageId(): string {
    return this.viewport.getCurrentImageId();
  }

  /** Patient directions at the edges of the displayed image; the names are empty if the file has none. */
  get sides(): { names: string[]; turn: Turn } | null {
    if (!this.header) return null;
    return { names: sidesOnScreen(this.header.orientation, this.turn), turn: this.turn };
  }

  /** In stored image pixels. */
  get size(): { columns: number; rows: number } {
    return this.header as PixelHeader;
  }

  get pixels(): Pixels {
    return this.viewport.getCornerstoneImage().getPixelData() as Pixels;
  }

  // ── Zoom and pan ──────────────────────────────────────────────────────────────────────────────

  /** Restore the initial view, including the inversion of MONOCHROME1. */
  reset(): void {
    if (!this.header) return;
    this.restore();
    this.onChange();
  }

  private restore(): void {
    const { lower, upper, isInverted } = this.header as PixelHeader;
    this.setGreys({ lower, upper }, isInverted);
    this.turn = UPRIGHT;
    this.layFitted();
  }

  fit(): void {
    if (!this.header) return;
    this.layFitted();
    this.onChange();
  }

  private layFitted(): void {
    this.place(this.at([0.5, 0.5]), this.fittedScale());
    this.isFitted = true;
  }

  rotate(degrees: number): void {
    this.lay(turnedBy(this.turn, degrees));
  }

  flipHorizontally(): void {
    this.lay(flippedHorizontally(this.turn));
  }

  flipVertically(): void {
    this.lay(flippedVertically(this.turn));
  }

  private lay(turn: Turn): void {
    if (!this.header) return;
    this.turn = turn;
    if (this.isFitted) return this.fit();
    const { focalPoint, parallelScale } = this.camera();
    this.place(focalPoint, parallelScale);
    this.onChange();
  }

  zoomBy(factor: number): void {
    if (!this.header) return;
    const { focalPoint, parallelScale } = this.camera();
    this.place(focalPoint, parallelScale / factor);
    this.isFitted = false;
    this.onChange();
  }

  /** Zoom so that the image position under `point` of the element ends up under `then`. */
  zoomAt(point: Point, factor: number, then: Point = point): void {
    if (!this.header) return;
    const { focalPoint, parallelScale } = this.camera();
    const [x, y] = this.viewport.canvasToWorld(point);
    const [toX, toY] = this.viewport.canvasToWorld(then);
    const middle: Types.Point3 = [
      x + (focalPoint[0] - toX) / factor,
      y + (focalPoint[1] - toY) / factor,
      focalPoint[2],
    ];
    this.place(middle, parallelScale / factor);
    this.isFitted = false;
    this.onChange();
  }

  /** Centre the view on a world point, in millimetres or pixels. */
  private place(focalPoint: Types.Point3, parallelScale: number): void {
    this.draw(() => aim(this.viewport, this.turn, { focalPoint, parallelScale }));
  }

  /** Change the view without treating it as the reader's own input. */
  private draw(change: () => void): void {
    this.isBusy = true;
    this.awaitDrawing();
    change();
    this.viewport.render();
    this.isBusy = false;
  }

  private camera(): Camera {
    return cameraOf(this.viewport);
  }

  /** Fractions of width and height to world coordinates. */
  private at(share: Point): Types.Point3 {
    return worldOf(this.header as PixelHeader, share);
  }

  /** Stored image pixels to world coordinates. */
  worldAt(column: number, row: number): Types.Point3 {
    return this.at([column / this.size.columns, row / this.size.rows]);
  }

  private fittedScale(): number {
    return fittedScale(this.header as PixelHeader, this.turn, this.element);
  }

  // ── Window ────────────────────────────────────────────────────────────────────────────────────

  invert(): void {
    if (!this.header) return;
    const { lower, upper } = this.greys();
    this.setGreys({ lower, upper }, !this.isInverted());
    this.onChange();
  }

  /** Apply a window preset, 1 to 5. */
  useWindow(number: number): void {
    if (!this.header) return;
    this.setGreys(windowOf(number, this.header, this.pixels), this.isInverted());
    this.onChange();
  }

  private setGreys(voiRange: GreyRange, invert: boolean): void {
    this.draw(() => this.viewport.setProperties({ voiRange, invert }));
  }

  private greys(): GreyRange {
    return this.viewport.getProperties().voiRange as GreyRange;
  }

  private isInverted(): boolean {
    return this.viewport.getProperties().invert ?? false;
  }

  // ── Linked panes ──────────────────────────────────────────────────────────────────────────────

  view(): View {
    const { isInverted } = this.header as PixelHeader;
    const { lower, upper } = sharesOf(this.greys(), this.header as PixelHeader);
    const { focalPoint, parallelScale } = this.camera();
    return {
      turn: this.turn,
      isFitted: this.isFitted,
      zoom: this.fittedScale() / parallelScale,
      centre: shareOf(this.header as PixelHeader, focalPoint),
      lower,
      upper,
      isInverted: this.isInverted() !== isInverted,
    };
  }

  adopt(view: View): void {
    if (!this.header) return;
    this.setGreys(greysAt(view, this.header), view.isInverted !== this.header.isInverted);
    this.turn = view.turn;
    // Do not copy the zoom: the other pane may not have been resized yet.
    if (view.isFitted) return this.layFitted();
    this.place(this.at(view.centre), this.fittedScale() / view.zoom);
    this.isFitted = false;
  }

  /** Show the area around `centre` of another pane's image, magnified by `times`. */
  magnify(other: Pane, centre: Point, times: number): void {
    if (!this.header) return;
    const larger = other.element.clientHeight / Math.max(this.element.clientHeight, 1);
    this.adopt({ ...other.view(), isFitted: false, centre });
    this.place(this.at(centre), other.camera().parallelScale / larger / times);
  }

  /** Element pixels to fractions of the image's width and height. */
  shareAt(point: Point): Point {
    return shareOf(this.header as PixelHeader, this.viewport.canvasToWorld(point));
  }

  /** Fractions of the image's width and height to element pixels. */
  placeOf(share: Point): Point {
    const [x, y] = this.viewport.worldToCanvas(this.at(share));
    return [x, y];
  }

  // ── Events ────────────────────────────────────────────────────────────────────────────────────

  private onCameraMoved(): void {
    if (this.isBusy || !this.header) return;
    this.isFitted = false;
    this.onViewChanged();
  }

  private onViewChanged(): void {
    if (this.isBusy || !this.header) return;
    this.awaitDrawing();
    this.onChange();
  }

  /** Redraw the annotations. */
  redraw(): void {
    utilities.triggerAnnotationRenderForViewportIds([this.id]);
  }

  /** Tell tests and scripts that the canvas is out of date. */
  private awaitDrawing(): void {
    delete this.root.dataset["drawn"];
  }

  private onRendered(): void {
    if (!this.header) return;
    if (this.isLost()) return this.lose();
    this.root.dataset["drawn"] = "";
    if (!this.isBusy) this.kept = this.isFitted ? null : this.view();
    const corners: [Point, Point, Point] = [this.placeOf([0, 0]), this.placeOf([1, 0]), this.placeOf([0, 1])];
    const scale = this.layers.place(corners, this.header.columns);
    this.corners.update({
      header: this.header,
      turn: this.turn,
      scale,
      greys: this.greys(),
      isInverted: this.isInverted() !== this.header.isInverted,
      isOverlayHidden: this.layers.overlay.isHidden,
      shutter: this.layers.shutter.state,
    });
    this.onDrawn();
  }

  /** Call before Cornerstone adopts the element's new size, because it then moves the camera. */
  beginResize(): void {
    this.isBusy = true;
  }

  /** Restore the previous view. */
  endResize(): void {
    this.isBusy = false;
    if (!this.header || this.element.clientWidth === 0) return;
    if (this.kept) this.adopt(this.kept);
    else this.layFitted();
  }
}
