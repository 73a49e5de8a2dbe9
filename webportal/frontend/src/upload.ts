import "vite/modulepreload-polyfill";

import "./intake.css";

import {
  type Chosen,
  droppedIn,
  type Found,
  filesBelow,
  type Handle,
  mayPickFolder,
  pickFolder,
} from "./dropped";
import { FileList } from "./file_list";
import { isLocked, UNLOCKED } from "./lock";
import { Rate } from "./rate";
import { forget, mayRead, recall, remember } from "./remembered";
import { Sender, type Upload } from "./sender";
import type { SendError } from "./sending";
import { filled, inUnits, type Texts } from "./texts";

/** The minimum interval between refreshes of the verdicts while files arrive, in milliseconds. */
const REFRESH = 1000;
/** The minimum interval between redraws of the page while files are sent, in milliseconds. */
const PAINT = 150;
const NAMES_SHOWN = 5;
const FORBIDDEN = 401;

/** Natural order, as in file managers: 2 before 10. */
const byName = new Intl.Collator(document.documentElement.lang, { numeric: true });

class Uploader {
  private readonly root: HTMLElement;
  private readonly batch: string;
  private readonly texts: Texts;
  private readonly sender: Sender;
  private readonly list: FileList;
  private readonly rate = new Rate();
  private handles: Handle[] = [];
  private refreshTimer: ReturnType<typeof setTimeout> | undefined;
  private paintTimer: ReturnType<typeof setTimeout> | undefined;
  private announced = -1;

  constructor(root: HTMLElement) {
    this.root = root;
    this.batch = root.dataset["batch"]!;
    this.texts = JSON.parse(document.querySelector("#uploader-texts")!.textContent!) as Texts;
    this.sender = new Sender(
      { url: root.dataset["url"]!, receivedUrl: root.dataset["received"]! },
      () => this.paintSoon(),
      (found) => this.tooLarge(found),
      (error) => this.words(error),
    );
    this.list = new FileList(
      this.part(".file-list"),
      this.part<HTMLTemplateElement>("#file-row"),
      (row, index) => this.fillRow(row, this.sender.uploads[index]!),
    );
    this.connectInputs();
    this.connectDropZone();
    this.connectControls();
    void this.goOnAfterReload();
  }

  // ── Choosing files ───────────────────────────────────────────────────────────────────────────

  private connectInputs(): void {
    for (const name of ["files", "folder"]) {
      const input = this.part<HTMLInputElement>(`[data-input="${name}"]`);
      this.part(`[data-choose="${name}"]`).addEventListener("click", () => {
        if (name === "folder" && mayPickFolder()) void this.chooseFolder();
        else input.click();
      });
      input.addEventListener("change", () => {
        const files = [...(input.files ?? [])].map((file) => ({
          file,
          path: file.webkitRelativePath || file.name,
        }));
        void this.choose({ handles: [], files });
        input.value = ""; // so that the same folder can be chosen again
      });
    }
  }

  private async chooseFolder(): Promise<void> {
    const chosen = await pickFolder();
    if (chosen) await this.choose(chosen);
  }

  private connectDropZone(): void {
    const zone = this.part(".drop-zone");
    // Files dropped outside the zone must not replace the page.
    for (const name of ["dragover", "drop"] as const) {
      document.addEventListener(name, (event) => event.preventDefault());
    }
    zone.addEventListener("dragover", () => zone.classList.add("over"));
    zone.addEventListener("dragleave", () => zone.classList.remove("over"));
    zone.addEventListener("drop", (event) => {
      zone.classList.remove("over");
      if (event.dataTransfer) void droppedIn(event.dataTransfer).then((chosen) => this.choose(chosen));
    });
  }

  private async choose({ handles, files }: Chosen): Promise<void> {
    const looking = (count: number): void => this.say(filled(this.texts["looking"]!, count));
    looking(files.length);
    this.handles.push(...handles);
    await this.keep();
    const found: Found[] = [...files, ...(await filesBelow(handles, looking))];
    found.sort((one, other) => byName.compare(one.path, other.path));
    this.say(found.length ? "" : this.texts["nothingFound"]!);
    this.offerToGoOn(false);
    await this.sender.add(found);
  }

  // ── Across reloads ──────────────────────────────────────────────────────────────────────────

  private async keep(): Promise<void> {
    if (!this.handles.length) return;
    await remember({
      batch: this.batch,
      handles: this.handles,
      isPaused: this.sender.isPaused,
      at: Date.now(),
    });
  }

  private async goOnAfterReload(): Promise<void> {
    const kept = await recall(this.batch);
    if (!kept) return;
    this.sender.isPaused = kept.isPaused;
    if (await mayRead(kept.handles, false)) {
      await this.choose({ handles: kept.handles, files: [] });
      return;
    }
    this.offerToGoOn(true);
    this.part("[data-go-on] button").addEventListener("click", () => {
      void mayRead(kept.handles, true).then((may) =>
        may ? this.choose({ handles: kept.handles, files: [] }) : undefined,
      );
    });
  }

  private offerToGoOn(isOffered: boolean): void {
    this.part("[data-go-on]").hidden = !isOffered;
    this.part("[data-hint]").hidden = isOffered;
  }

  private connectControls(): void {
    this.part("[data-pause]").addEventListener("click", () => {
      this.rate.reset();
      this.sender.pause(!this.sender.isPaused);
      void this.keep();
    });
    this.part("[data-blocked] button").addEventListener("click", () => this.sender.unblock());
    this.part(".failures").addEventListener("click", (event) => {
      const words = (event.target as HTMLElement).dataset["retry"];
      if (words !== undefined)
        void this.sender.retry((each) => each.state === "failed" && each.words === words);
    });
    document.addEventListener("click", (event) => {
      const code = (event.target as HTMLElement).dataset["retryRefused"];
      if (code !== undefined) void this.sender.retry((each) => isRefused(each, code));
    });
    // The server's rendering does not know about the files that this page holds.
    document.addEventListener("htmx:afterSwap", () => {
      this.offerRetries();
      this.showWhatArrived();
    });
    document.addEventListener(UNLOCKED, () => this.showVerdicts());
    window.addEventListener("offline", () => this.paintSoon());
    window.addEventListener("beforeunload", (event) => {
      // With the folder remembered, a reload loses nothing.
      if (this.sender.isBusy && !this.handles.length) event.preventDefault();
    });
  }

  // ── Texts ────────────────────────────────────────────────────────────────────────────────────

  private tooLarge({ file, path }: Found): string {
    const isArchive = path.toLowerCase().endsWith(".zip");
    const limit = Number(this.root.dataset[isArchive ? "maxArchiveBytes" : "maxBytes"]);
    return file.size > limit ? filled(this.texts["tooLarge"]!, Math.floor(limit / 1024 ** 2)) : "";
  }

  private words({ obstacle, status, message }: SendError): string {
    if (obstacle === "unreadable") return this.texts["unreadable"]!;
    if (status === FORBIDDEN) return this.texts["signedOut"]!;
    return message || filled(this.texts["serverError"]!, status);
  }

  private timeLeft(seconds: number): string {
    if (seconds < 60) return this.texts["secondsLeft"]!;
    const minutes = Math.ceil(seconds / 60);
    if (minutes < 60) return filled(this.texts["minutesLeft"]!, minutes);
    return filled(this.texts["hoursLeft"]!, Math.floor(minutes / 60), minutes % 60);
  }

  private state(upload: Upload): string {
    if (upload.state === "waiting") return this.texts["waiting"]!;
    if (upload.state === "failed") return this.texts["notSent"]!;
    if (upload.state === "delivered") {
      const [first, ...others] = upload.verdicts;
      return others.length
        ? filled(this.texts["archive"]!, others.length + 1)
        : (this.texts[first?.verdict ?? ""] ?? "");
    }
    if (upload.waitsFor) return this.texts["waiting"]!;
    if (upload.isRetried) return this.texts["again"]!;
    if (upload.sent >= upload.file.size) return this.texts["checking"]!;
    return filled(this.texts["sending"]!, Math.floor((100 * upload.sent) / upload.file.size));
  }

  private say(words: string): void {
    this.part("[data-looking]").textContent = words;
  }

  // ── Drawing ──────────────────────────────────────────────────────────────────────────────────

  private paintSoon(): void {
    this.paintTimer ??= setTimeout(() => {
      this.paintTimer = undefined;
      this.paint();
    }, PAINT);
  }

  private paint(): void {
    const { uploads, isPaused, isLost, blockedBy, isBusy } = this.sender;
    this.root.toggleAttribute("data-sending", isBusy);
    // By bytes, but an empty file counts too.
    const weigh = (size: number): number => size + 1;
    let [total, done, failed, delivered, current] = [0, 0, 0, 0, uploads.length];
    let turn = "";
    for (const [index, { state, file, sent, waitsFor }] of uploads.entries()) {
      turn ||= waitsFor;
      total += weigh(file.size);
      if (state === "delivered") done += weigh(file.size);
      else done += sent;
      if (state === "delivered") delivered += 1;
      else if (state === "failed") failed += 1;
      else current = Math.min(current, index);
    }
    const isIdle = uploads.length === 0;
    this.part(".file-list").hidden = isIdle;
    this.part(".sending-hint").hidden = !isIdle;
    if (isIdle) return; // keep what the server rendered
    const all = delivered === uploads.length;
    const progress = filled(this.texts[all ? "allArrived" : "progress"]!, delivered, uploads.length);
    const words = failed ? `${progress}, ${filled(this.texts["failedCount"]!, failed)}` : progress;
    this.part("[data-progress]").textContent = words;
    const bar = this.part<HTMLProgressElement>(".batch-progress");
    [bar.max, bar.value] = [total || 1, done];
    this.part("[data-rate]").textContent = this.speed(
      done,
      total,
      isPaused || isLost || !isBusy || blockedBy !== undefined,
    );
    const pause = this.part("[data-pause]");
    pause.textContent = this.texts[isPaused ? "resume" : "pause"]!;
    pause.hidden = !isBusy;
    this.part("[data-lost]").hidden = !(isLost || !navigator.onLine) || !isBusy;
    this.part("[data-blocked]").hidden = blockedBy === undefined;
    this.part("[data-blocked] span").textContent = blockedBy ? this.words(blockedBy) : "";
    this.part("[data-turn]").hidden = !turn;
    this.part("[data-turn] span").textContent = turn;
    this.paintFailures();
    this.list.show(uploads.length, current);
    this.announce(words, delivered + failed, uploads.length);
    this.refreshVerdicts(delivered);
    this.offerRetries();
    if (uploads.length && !isBusy && !failed) {
      this.handles = [];
      void forget(this.batch);
    }
  }

  /** While this page sends nothing, another page or a program may. */
  private showWhatArrived(): void {
    const { received, awaited, arrived } = document.querySelector<HTMLElement>("#batch-status")!.dataset;
    if (this.sender.uploads.length || !arrived) return;
    setText(this.part("[data-progress]"), arrived);
    const bar = this.part<HTMLProgressElement>(".batch-progress");
    [bar.max, bar.value] = [Number(awaited), Number(received)];
    if (received === awaited) this.part("[data-rate]").textContent = "";
  }

  private speed(done: number, total: number, isStill: boolean): string {
    if (isStill) {
      this.rate.reset();
      return this.sender.isPaused && this.sender.isBusy ? this.texts["paused"]! : "";
    }
    // The bar counts what was sent and is full before the last verdicts arrive.
    if (this.sender.isAllSent) return this.texts["checking"]!;
    this.rate.record(done);
    const { value } = this.rate;
    if (!value) return "";
    return `${filled(this.texts["rate"]!, inUnits(value, this.texts))}, ${this.timeLeft((total - done) / value)}`;
  }

  private paintFailures(): void {
    const groups = Map.groupBy(
      this.sender.uploads.filter(({ state }) => state === "failed"),
      ({ words }) => words,
    );
    const box = this.part(".failures");
    const key = JSON.stringify([...groups].map(([words, files]) => [words, files.length]));
    if (box.dataset["shown"] === key) return;
    box.dataset["shown"] = key;
    box.replaceChildren(...[...groups].map(([words, files]) => this.failure(words, files)));
  }

  private failure(words: string, files: Upload[]): Node {
    const row = this.part<HTMLTemplateElement>("#failure-row").content.firstElementChild!.cloneNode(
      true,
    ) as HTMLElement;
    row.querySelector(".count")!.textContent = String(files.length);
    row.querySelector(".reason")!.textContent = words;
    const names = files.slice(0, NAMES_SHOWN).map(({ path }) => path);
    if (files.length > NAMES_SHOWN) names.push(filled(this.texts["more"]!, files.length - NAMES_SHOWN));
    row.querySelector(".names")!.textContent = names.join(" · ");
    const retry = row.querySelector<HTMLElement>("button")!;
    retry.dataset["retry"] = words;
    retry.hidden = files.every((upload) => this.tooLarge(upload) !== "");
    return row;
  }

  /** Show a retry button beside each of the server's reasons for which this page holds files. */
  private offerRetries(): void {
    for (const button of document.querySelectorAll<HTMLElement>("[data-retry-refused]")) {
      const code = button.dataset["retryRefused"]!;
      button.hidden = !this.sender.uploads.some((upload) => isRefused(upload, code));
    }
  }

  private fillRow(row: HTMLElement, upload: Upload): void {
    const [name, size, bar, state] = row.children as unknown as [
      HTMLElement,
      HTMLElement,
      HTMLProgressElement,
      HTMLElement,
    ];
    setText(name, upload.path);
    name.title = upload.path;
    setText(size, inUnits(upload.file.size, this.texts));
    bar.value = upload.state === "delivered" ? 1 : upload.sent / (upload.file.size || 1);
    setText(state, this.state(upload));
    state.title = upload.words;
    const verdict = upload.verdicts.length === 1 ? upload.verdicts[0]!.verdict : "";
    row.className = `file-row is-${upload.state} ${verdict && `file-verdict-${verdict}`}`;
  }

  /** Announce progress to screen readers at each tenth and at the end. */
  private announce(words: string, done: number, total: number): void {
    const tenth = total ? Math.floor((10 * done) / total) : -1;
    if (tenth === this.announced) return;
    this.announced = tenth;
    this.part("[data-announce]").textContent = words;
  }

  private delivered = 0;

  /** Refresh the server's list of verdicts soon, but not for every file. */
  private refreshVerdicts(delivered: number): void {
    if (delivered === this.delivered) return;
    this.delivered = delivered;
    this.refreshTimer ??= setTimeout(() => {
      this.refreshTimer = undefined;
      if (!isLocked()) this.showVerdicts();
    }, REFRESH);
  }

  private showVerdicts(): void {
    document.querySelector("#batch-status")?.dispatchEvent(new Event("arrived"));
  }

  private part<Element extends HTMLElement = HTMLElement>(selector: string): Element {
    return this.root.querySelector<Element>(selector)!;
  }
}

function isRefused({ state, verdicts }: Upload, code: string): boolean {
  return (
    state === "delivered" && verdicts.some((each) => each.verdict === "refused" && each.reason_code === code)
  );
}

function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

const root = document.querySelector<HTMLElement>("#uploader");
if (root) new Uploader(root);
