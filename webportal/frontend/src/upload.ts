import "vite/modulepreload-polyfill";

import "./intake.css";

import { filesOf, isSystemFile, type Found } from "./dropped";
import { SendError, send } from "./sending";

/** How many files travel at once. */
const LANES = 4;
/** Waits before a file is tried again, in milliseconds; after the last one a person has to ask. */
const BACK_OFF = [1000, 2000, 4000, 8000, 16000];
/** How often, at most, the list of verdicts is asked for while files arrive, in milliseconds. */
const REFRESH = 1000;

type State = "waiting" | "sending" | "delivered" | "failed";

interface Upload extends Found {
  state: State;
  sent: number;
  message: string;
}

class Uploader {
  private readonly root: HTMLElement;
  private readonly uploads: Upload[] = [];
  private readonly known = new Set<string>();
  private active = 0;
  private refreshTimer: ReturnType<typeof setTimeout> | undefined;
  private paintRequested = false;

  constructor(root: HTMLElement) {
    this.root = root;
    this.connectInputs();
    this.connectDropZone();
    this.button("[data-retry]").addEventListener("click", () => this.retryFailed());
    window.addEventListener("online", () => this.retryFailed());
    window.addEventListener("offline", () => this.paint());
    window.addEventListener("beforeunload", (event) => {
      if (this.isBusy()) event.preventDefault();
    });
  }

  /** Put files at the end of the line; one that is in the line already is passed over. */
  add(found: Found[]): void {
    for (const one of found) {
      const key = `${one.path}\n${one.file.size}\n${one.file.lastModified}`;
      if (isSystemFile(one.path) || this.known.has(key)) continue;
      this.known.add(key);
      const upload: Upload = { ...one, state: "waiting", sent: 0, message: "" };
      const tooLarge = this.tooLarge(upload);
      if (tooLarge) Object.assign(upload, { state: "failed", message: tooLarge });
      this.uploads.push(upload);
    }
    this.fillLanes();
    this.paint();
  }

  private connectInputs(): void {
    for (const name of ["files", "folder"]) {
      const input = this.root.querySelector<HTMLInputElement>(`[data-input="${name}"]`)!;
      this.button(`[data-choose="${name}"]`).addEventListener("click", () => input.click());
      input.addEventListener("change", () => {
        this.add([...(input.files ?? [])].map((file) => ({ file, path: pathOf(file) })));
        input.value = ""; // so that the same folder can be chosen again
      });
    }
  }

  private connectDropZone(): void {
    const zone = this.root.querySelector<HTMLElement>(".drop-zone")!;
    // Files that miss the zone must not replace the page.
    for (const name of ["dragover", "drop"] as const) {
      document.addEventListener(name, (event) => event.preventDefault());
    }
    zone.addEventListener("dragover", () => zone.classList.add("over"));
    zone.addEventListener("dragleave", () => zone.classList.remove("over"));
    zone.addEventListener("drop", (event) => {
      zone.classList.remove("over");
      if (event.dataTransfer) void filesOf(event.dataTransfer).then((found) => this.add(found));
    });
  }

  private tooLarge(upload: Upload): string {
    const isArchive = upload.path.toLowerCase().endsWith(".zip");
    const limit = Number(this.root.dataset[isArchive ? "maxArchiveBytes" : "maxBytes"]);
    if (upload.file.size <= limit) return "";
    const megabytes = Math.floor(limit / 1024 ** 2);
    return `The file is larger than ${megabytes} MB, the limit for one file. It was not sent.`;
  }

  private fillLanes(): void {
    while (this.active < LANES) {
      const next = this.uploads.find((upload) => upload.state === "waiting");
      if (!next) return;
      this.active += 1;
      next.state = "sending";
      void this.deliver(next).finally(() => {
        this.active -= 1;
        this.fillLanes();
        this.refreshVerdicts();
        this.paint();
      });
    }
  }

  /** Send one file, again and again if it has to be; it ends up delivered or failed. */
  private async deliver(upload: Upload): Promise<void> {
    for (let attempt = 0; ; attempt += 1) {
      try {
        await send(upload, {
          url: this.root.dataset["url"]!,
          csrfToken: this.root.dataset["csrf"]!,
          expected: this.uploads.filter((each) => !each.path.toLowerCase().endsWith(".zip")).length,
          onProgress: (sent) => {
            upload.sent = sent;
            this.paint();
          },
        });
        Object.assign(upload, { state: "delivered", sent: upload.file.size, message: "" });
        return;
      } catch (error) {
        if (!(error instanceof SendError)) throw error;
        upload.sent = 0;
        const wait = BACK_OFF[attempt];
        if (!error.mayPass || wait === undefined) {
          Object.assign(upload, { state: "failed", message: error.message });
          return;
        }
        upload.message = `${error.message} Trying again…`;
        this.paint();
        await new Promise((resolve) => setTimeout(resolve, wait));
        upload.message = "";
      }
    }
  }

  private retryFailed(): void {
    for (const upload of this.uploads) {
      if (upload.state === "failed" && !this.tooLarge(upload)) {
        Object.assign(upload, { state: "waiting", message: "" });
      }
    }
    this.fillLanes();
    this.paint();
  }

  private isBusy(): boolean {
    return this.uploads.some(({ state }) => state === "waiting" || state === "sending");
  }

  /** Have the server's list of verdicts drawn anew: soon, but not for every single file. */
  private refreshVerdicts(): void {
    this.refreshTimer ??= setTimeout(() => {
      this.refreshTimer = undefined;
      document.querySelector("#batch-status")?.dispatchEvent(new Event("arrived"));
    }, REFRESH);
  }

  private paint(): void {
    if (this.paintRequested) return;
    this.paintRequested = true;
    requestAnimationFrame(() => {
      this.paintRequested = false;
      this.paintNow();
    });
  }

  private paintNow(): void {
    const count = (state: State): number => this.uploads.filter((each) => each.state === state).length;
    const [delivered, failed] = [count("delivered"), count("failed")];
    const total = this.uploads.length;
    this.root.querySelector<HTMLElement>(".sending")!.hidden = total === 0;
    this.button("[data-retry]").hidden = failed === 0;
    this.root.querySelector<HTMLElement>(".connection-lost")!.hidden = navigator.onLine || !this.isBusy();
    const words = [`${delivered} of ${total} ${total === 1 ? "file" : "files"} sent`];
    if (failed) words.push(`${failed} failed`);
    if (!this.isBusy() && !failed) words.push("all have arrived");
    this.root.querySelector("[data-progress-text]")!.textContent = words.join(", ");
    // By bytes, but an empty file counts too.
    const weigh = (size: number): number => size + 1;
    const done = ({ state, file, sent }: Upload): number => (state === "delivered" ? weigh(file.size) : sent);
    const bar = this.root.querySelector("progress")!;
    bar.max = this.uploads.reduce((sum, { file }) => sum + weigh(file.size), 0) || 1;
    bar.value = this.uploads.reduce((sum, upload) => sum + done(upload), 0);
    this.root
      .querySelector(".in-flight")!
      .replaceChildren(...this.uploads.filter(({ state }) => state === "sending" || state === "failed").map(row));
  }

  private button(selector: string): HTMLButtonElement {
    return this.root.querySelector<HTMLButtonElement>(selector)!;
  }
}

function pathOf(file: File): string {
  return file.webkitRelativePath || file.name;
}

function row(upload: Upload): HTMLLIElement {
  const item = document.createElement("li");
  item.className = upload.state;
  const name = document.createElement("span");
  name.textContent = upload.path;
  const note = document.createElement("small");
  note.textContent = upload.message || describe(upload);
  item.append(name, note);
  return item;
}

function describe({ file, sent }: Upload): string {
  if (sent >= file.size) return "being checked…";
  return sent ? `${Math.floor((100 * sent) / file.size)} %` : "sending…";
}

const root = document.querySelector<HTMLElement>("#uploader");
if (root) new Uploader(root);
