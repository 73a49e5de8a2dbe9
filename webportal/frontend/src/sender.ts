import { type Found, isSystemFile } from "./dropped";
import { MOST_PATH, SendError, send, type Verdict } from "./sending";

/** How many requests are sent in parallel. */
const LANES = 4;
/**
 * How many files, bytes and seconds a request may take: enough to save the server work, and few enough for
 * visible progress and a cheap retry if the connection is lost. The first requests carry one file each and
 * show how fast the connection is.
 */
const MOST_FILES_PER_REQUEST = 8;
const MOST_BYTES_PER_REQUEST = 4 * 1024 ** 2;
const MOST_SECONDS_PER_REQUEST = 2;
/** Delays between retries of a file, in milliseconds; after the last one the user has to ask. */
const BACK_OFF = [1000, 2000, 4000, 8000, 16000];
/** The retry delay of a file that has to wait its turn, in milliseconds. */
const ITS_TURN = 2000;

export type State = "waiting" | "sending" | "delivered" | "failed";

/** A file being sent. `words` is the reason of a failure or the server's message. */
export interface Upload extends Found {
  state: State;
  sent: number;
  isRetried: boolean;
  /** The server's message for a file that has to wait its turn. */
  waitsFor: string;
  verdicts: Verdict[];
  words: string;
  /** Whether it is sent by itself, because a request with it and others failed. */
  isAlone: boolean;
}

export interface Address {
  url: string;
  receivedUrl: string;
}

/** Sends files a few at a time until each has arrived, whatever happens to the connection. */
export class Sender {
  readonly uploads: Upload[] = [];
  isPaused = false;
  isLost = false;
  /** What prevents all files from being sent until somebody has resolved it. */
  blockedBy: SendError | undefined;
  private readonly address: Address;
  private readonly onChange: () => void;
  private readonly refuse: (found: Found) => string;
  private readonly describe: (error: SendError) => string;
  private readonly known = new Set<string>();
  private readonly received = new Map<string, Verdict[]>();
  private active = 0;
  private losses = 0;
  /** How many bytes the connection takes in MOST_SECONDS_PER_REQUEST, as far as that is known. */
  private pace = 0;
  private wake: (() => void) | undefined;

  /** `refuse` returns why a file is not even tried, or ""; `describe` returns an error's message. */
  constructor(
    address: Address,
    onChange: () => void,
    refuse: (found: Found) => string,
    describe: (error: SendError) => string,
  ) {
    this.address = address;
    this.onChange = onChange;
    this.refuse = refuse;
    this.describe = describe;
    window.addEventListener("online", () => this.wake?.());
  }

  /** Append files to the queue, except those already queued or delivered. */
  async add(found: Found[]): Promise<void> {
    await this.askWhatArrived();
    for (const one of found) {
      const key = `${one.path}\n${one.file.size}\n${one.file.lastModified}`;
      if (isSystemFile(one.path) || this.known.has(key)) continue;
      this.known.add(key);
      const words = this.refuse(one);
      const state = words ? "failed" : "waiting";
      const fresh = { sent: 0, isRetried: false, waitsFor: "", verdicts: [], isAlone: false };
      this.uploads.push({ ...one, ...fresh, state, words });
    }
    this.fillLanes();
    this.onChange();
  }

  pause(isPaused: boolean): void {
    this.isPaused = isPaused;
    this.fillLanes();
    this.onChange();
  }

  /** Continue after somebody has resolved what blocked sending. */
  unblock(): void {
    this.blockedBy = undefined;
    this.fillLanes();
    this.onChange();
  }

  /** Retry the files for which `concerns` is true, re-read from disk if possible. */
  async retry(concerns: (upload: Upload) => boolean): Promise<void> {
    for (const upload of this.uploads.filter(concerns)) {
      try {
        if (upload.reopen) upload.file = await upload.reopen();
      } catch {
        continue; // it stays failed, with the reason shown
      }
      if (this.refuse(upload)) continue;
      this.received.delete(upload.path);
      Object.assign(upload, { state: "waiting", words: "", verdicts: [], sent: 0 });
    }
    this.unblock();
  }

  get isBusy(): boolean {
    return this.uploads.some(({ state }) => state === "waiting" || state === "sending");
  }

  /** Whether every file being sent has left this machine. */
  get isAllSent(): boolean {
    return this.uploads.every(
      ({ state, sent, file }) => state !== "waiting" && (state !== "sending" || sent >= file.size),
    );
  }

  private get isHalted(): boolean {
    return this.isPaused || this.blockedBy !== undefined;
  }

  private async askWhatArrived(): Promise<void> {
    const items = await fetch(this.address.receivedUrl)
      // A locked session is told nothing.
      .then((response) => (response.ok ? response.json() : { items: [] }))
      .then((answer: { items: Verdict[] }) => answer.items)
      .catch(() => []); // then everything is sent again, which stores nothing twice
    this.received.clear();
    for (const item of items) {
      this.received.set(item.file_name, [...(this.received.get(item.file_name) ?? []), item]);
    }
  }

  private fillLanes(): void {
    // While the connection is lost, a single file tests whether it is back.
    while (!this.isHalted && this.active < (this.isLost ? 1 : LANES)) {
      const next = this.nextOnes();
      if (!next.length) return;
      this.active += 1;
      for (const upload of next) upload.state = "sending";
      void this.deliver(next).finally(() => {
        this.active -= 1;
        this.fillLanes();
        this.onChange();
      });
    }
  }

  /** The files of the next request: the first that waits, and those after it as far as they fit. */
  private nextOnes(): Upload[] {
    // The portal unpacks one ZIP per user at a time.
    const isUnpacking = this.uploads.some(({ state, path }) => state === "sending" && isArchive(path));
    const next: Upload[] = [];
    let bytes = 0;
    for (const upload of this.uploads) {
      if (upload.state !== "waiting" || (isUnpacking && isArchive(upload.path))) continue;
      bytes += upload.file.size;
      const fits =
        next.length < MOST_FILES_PER_REQUEST && bytes <= Math.min(MOST_BYTES_PER_REQUEST, this.pace);
      if (next.length && !(fits && maySendTogether(upload))) break;
      next.push(upload);
      if (this.isLost || !maySendTogether(upload)) break;
    }
    return next;
  }

  /** Process files until each is delivered, has failed, or has to wait with all others. */
  private async deliver(uploads: Upload[]): Promise<void> {
    const unsent: Upload[] = [];
    for (const upload of uploads) {
      try {
        const verdicts = await this.arrivedBefore(upload);
        if (verdicts) settle(upload, verdicts);
        else unsent.push(upload);
      } catch (error) {
        Object.assign(upload, { state: "failed", words: this.describe(error as SendError) });
      }
    }
    if (unsent.length) await this.sendUntilAnswered(unsent);
  }

  private async sendUntilAnswered(uploads: Upload[]): Promise<void> {
    const each = (values: Partial<Upload>): void => {
      for (const upload of uploads) Object.assign(upload, values);
    };
    for (let attempt = 0; ; attempt += 1) {
      try {
        const verdicts = await this.sendNow(uploads);
        if (uploads.length === 1) settle(uploads[0]!, verdicts);
        else for (const [index, upload] of uploads.entries()) settle(upload, [verdicts[index]!]);
        return;
      } catch (error) {
        each({ sent: 0 });
        const { obstacle } = error as SendError;
        if (obstacle === "lost" || obstacle === "blocked") {
          each({ state: "waiting" });
          if (obstacle === "blocked") this.blockedBy = error as SendError;
          else await this.waitForConnection();
          return;
        }
        if (uploads.length > 1 && obstacle !== "busy") {
          // It may concern only one of them.
          each({ state: "waiting", isAlone: true });
          return;
        }
        const wait = obstacle === "busy" ? ITS_TURN : BACK_OFF[attempt];
        if (!["busy", "passing"].includes(obstacle) || wait === undefined) {
          each({ state: "failed", words: this.describe(error as SendError) });
          return;
        }
        each({ isRetried: true, waitsFor: obstacle === "busy" ? this.describe(error as SendError) : "" });
        this.onChange();
        await new Promise((resolve) => setTimeout(resolve, wait));
        each({ isRetried: false, waitsFor: "" });
        if (this.isHalted) {
          each({ state: "waiting" });
          return;
        }
      }
    }
  }

  private async sendNow(uploads: Upload[]): Promise<Verdict[]> {
    const began = performance.now();
    const verdicts = await send(uploads, {
      ...this.address,
      expected: this.uploads.filter(({ path }) => !isArchive(path)).length,
      onProgress: (sent) => {
        let left = sent;
        for (const upload of uploads) {
          upload.sent = Math.min(left, upload.file.size);
          left -= upload.sent;
        }
        this.onChange();
      },
    });
    const bytes = uploads.reduce((sum, { file }) => sum + file.size, 0);
    this.pace = (1000 * MOST_SECONDS_PER_REQUEST * bytes) / Math.max(performance.now() - began, 1);
    [this.isLost, this.losses] = [false, 0];
    return verdicts;
  }

  /** The verdict on a file that the server already has, found by path, size and content. */
  private async arrivedBefore({ path, file }: Upload): Promise<Verdict[] | undefined> {
    const candidates = this.received.get(path.slice(-MOST_PATH))?.filter(({ size }) => size === file.size);
    // Without HTTPS a browser computes no hashes; the server then detects duplicates itself.
    if (!candidates?.length || !window.isSecureContext) return undefined;
    try {
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
      const sha256 = [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
      const same = candidates.filter((each) => each.sha256 === sha256);
      return same.length ? same : undefined;
    } catch {
      throw new SendError("unreadable");
    }
  }

  private async waitForConnection(): Promise<void> {
    if (this.isLost && this.active > 1) return; // another file is already waiting
    this.isLost = true;
    this.pace = 0;
    const wait = BACK_OFF[Math.min(this.losses, BACK_OFF.length - 1)];
    this.losses += 1;
    this.onChange();
    await new Promise<void>((resolve) => {
      this.wake = resolve;
      setTimeout(resolve, wait);
    });
  }
}

function settle(upload: Upload, verdicts: Verdict[]): void {
  Object.assign(upload, { state: "delivered", sent: upload.file.size, verdicts });
  upload.words = verdicts[0]?.reason ?? "";
}

function maySendTogether({ path, isAlone }: Upload): boolean {
  return !isAlone && !isArchive(path);
}

function isArchive(path: string): boolean {
  return path.toLowerCase().endsWith(".zip");
}
