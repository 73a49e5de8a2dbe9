/** The strip of thumbnails of the study's images, with ticks for those viewed. */

import { imageLoader } from "@cornerstonejs/core";

import { onImageState } from "../gate";
import type { Life } from "../life";
import { find, type ImageEntry } from "./page";
import { headerOf, imageId, type PixelHeader, type Pixels, pixelSize } from "./pixels";

export class Strip {
  private readonly root: HTMLElement;
  private readonly images: ImageEntry[];

  private readonly life: Life;

  constructor(root: HTMLElement, images: ImageEntry[], life: Life) {
    this.root = root;
    this.images = images;
    this.life = life;
    onImageState(life, ({ image, state }) => {
      if (state === "viewed") this.tick(image);
    });
  }

  /** Show that an image has been recorded as viewed. */
  private tick(image: string): void {
    const item = this.root.querySelector(`[data-strip="${image}"]`);
    if (item) find(item, ".strip-shown").hidden = false;
  }

  /** Load the images still missing and draw their thumbnails; this does not count as viewing. */
  async draw(): Promise<void> {
    if (this.images.length < 2) return;
    for (const image of this.images) {
      if (this.life.signal.aborted) return;
      const canvas = this.root.querySelector<HTMLCanvasElement>(`[data-strip="${image.id}"] canvas`);
      if (!canvas) continue;
      try {
        const id = imageId(image.pixels);
        const loaded = await imageLoader.loadAndCacheImage(id);
        drawSmall(canvas, headerOf(id), loaded.getPixelData() as Pixels);
      } catch {
        // The pane shows the reason when this image is chosen.
        canvas.hidden = true;
      }
    }
  }
}

function drawSmall(canvas: HTMLCanvasElement, header: PixelHeader, pixels: Pixels): void {
  const [pixelHeight, pixelWidth] = pixelSize(header);
  const [across, down] = [header.columns * pixelWidth, header.rows * pixelHeight];
  const scale = Math.min(canvas.width / across, canvas.height / down);
  canvas.width = Math.max(1, Math.round(across * scale));
  canvas.height = Math.max(1, Math.round(down * scale));
  const { width, height } = canvas;
  const picture = new ImageData(width, height);
  const range = header.upper - header.lower || 1;
  for (let y = 0; y < height; y++) {
    const row = Math.floor(((y + 0.5) * header.rows) / height);
    for (let x = 0; x < width; x++) {
      const column = Math.floor(((x + 0.5) * header.columns) / width);
      const share = ((pixels[row * header.columns + column] as number) - header.lower) / range;
      const grey = 255 * (header.isInverted ? 1 - share : share);
      picture.data.set([grey, grey, grey, 255], (y * width + x) * 4);
    }
  }
  canvas.getContext("2d")?.putImageData(picture, 0, 0);
}
