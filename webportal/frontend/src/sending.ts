import { csrfToken } from "./csrf";

/** The server's verdict on a file; a ZIP gets one for each file in it. */
export interface Verdict {
  file_name: string;
  size: number;
  sha256: string;
  verdict: string;
  reason_code: string;
  reason: string;
}

/**
 * Why there is no verdict. `lost`: no connection, resume when it is back. `passing`: a temporary error,
 * retry the file a little later. `busy`: the file has to wait its turn. `blocked`: no file would get
 * through, someone has to act. `final`: this file will not be accepted. `unreadable`: the file has
 * changed or disappeared since it was chosen.
 */
export type Obstacle = "lost" | "passing" | "busy" | "blocked" | "final" | "unreadable";

/** The server gave no verdict. `message` is the server's own, if it sent one. */
export class SendError extends Error {
  readonly obstacle: Obstacle;
  readonly status: number;

  constructor(obstacle: Obstacle, status = 0, message = "") {
    super(message);
    this.obstacle = obstacle;
    this.status = status;
  }
}

interface Options {
  url: string;
  /** The total number of files. */
  expected: number;
  onProgress: (bytes: number) => void;
}

/** The length of the server's column for names; only the end of a longer path is sent. */
export const MOST_PATH = 400;
/** How long, in milliseconds, an upload may make no progress. */
const STALLED = 30_000;
const SIGNED_OUT = [401, 403];
const AWAY = [502, 503, 504];
const BUSY = 429;
const DISK_FULL = 507;

/** A file, and its path within the folder that was chosen. */
interface Named {
  file: File;
  path: string;
}

/**
 * Send files in one request and return the verdicts, of several files one each in their order. Sending a
 * file again is harmless. The body is the file, or a list of the files and then one after the other.
 */
export function send(files: Named[], options: Options): Promise<Verdict[]> {
  const [only, ...more] = files as [Named, ...Named[]];
  const list = more.length ? listOf(files) : new Blob();
  const size = files.reduce((sum, { file }) => sum + file.size, 0);
  return new Promise((resolve, reject) => {
    // Not fetch, which does not report upload progress.
    const request = new XMLHttpRequest();
    request.open("POST", options.url);
    request.setRequestHeader("X-CSRFToken", csrfToken());
    if (list.size) request.setRequestHeader("X-List-Bytes", String(list.size));
    else request.setRequestHeader("X-File-Path", encodeURIComponent(only.path.slice(-MOST_PATH)));
    request.setRequestHeader("X-Expected-Files", String(options.expected));
    request.setRequestHeader("Content-Type", "application/octet-stream");
    const abort = (): void => request.abort();
    let stalled = setTimeout(abort, STALLED);
    request.upload.onprogress = ({ loaded }) => {
      clearTimeout(stalled);
      // Once everything has been sent, the server may take its time to check it.
      if (loaded < list.size + size) stalled = setTimeout(abort, STALLED);
      options.onProgress(Math.max(0, loaded - list.size));
    };
    window.addEventListener("offline", abort);
    request.onloadend = () => {
      clearTimeout(stalled);
      window.removeEventListener("offline", abort);
    };
    request.onabort = () => reject(new SendError("lost"));
    request.onerror = () => {
      // The browser reports a lost connection and an unreadable file alike.
      Promise.all(files.map(({ file }) => isReadable(file))).then((readable) =>
        reject(new SendError(readable.every(Boolean) ? "lost" : "unreadable")),
      );
    };
    request.onload = () => {
      const answer = parsed(request.responseText);
      if (request.status === 200 && answer?.items && (!more.length || answer.items.length === files.length))
        resolve(answer.items);
      else reject(errorOf(request, answer, options.url));
    };
    request.send(list.size ? new Blob([list, ...files.map(({ file }) => file)]) : only.file);
  });
}

function listOf(files: Named[]): Blob {
  const listed = files.map(({ file, path }) => ({ path: path.slice(-MOST_PATH), size: file.size }));
  return new Blob([JSON.stringify(listed)]);
}

function errorOf(request: XMLHttpRequest, answer: Answer | undefined, url: string): SendError {
  const { status } = request;
  const message = answer?.message ?? "";
  const wentElsewhere = new URL(request.responseURL).pathname !== url;
  if (wentElsewhere || SIGNED_OUT.includes(status)) return new SendError("blocked", 401);
  if (status === DISK_FULL) return new SendError("blocked", status, message);
  if (AWAY.includes(status)) return new SendError("lost", status);
  if (status === BUSY) return new SendError("busy", status, message);
  const passes = status >= 500 || answer?.code === "interrupted";
  return new SendError(passes ? "passing" : "final", status, message);
}

async function isReadable(file: File): Promise<boolean> {
  return file
    .slice(0, 1)
    .arrayBuffer()
    .then(
      () => true,
      () => false,
    );
}

interface Answer {
  items?: Verdict[];
  code?: string;
  message?: string;
}

function parsed(text: string): Answer | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
