/** A file and its path in the folder that it came from. */
interface Sendable {
  file: File;
  path: string;
}

interface Options {
  url: string;
  csrfToken: string;
  /** How many files there are in all. */
  expected: number;
  onProgress: (bytes: number) => void;
}

/** The server did not give a verdict. `mayPass`: trying again a little later may help. */
export class SendError extends Error {
  readonly mayPass: boolean;

  constructor(message: string, mayPass: boolean) {
    super(message);
    this.mayPass = mayPass;
  }
}

/** As long as the server's column for names; of a longer path the end counts. */
const MOST_PATH = 400;
const CONNECTION_LOST = new SendError("The connection was lost.", true);

/**
 * Send one file as the body of one request. Resolves when the server has given its verdict, whichever
 * it is: the list of verdicts is the server's own. Sending a file again is harmless.
 */
export function send({ file, path }: Sendable, options: Options): Promise<void> {
  return new Promise((resolve, reject) => {
    // Not fetch, which does not tell how much has been sent.
    const request = new XMLHttpRequest();
    request.open("POST", options.url);
    request.setRequestHeader("X-CSRFToken", options.csrfToken);
    request.setRequestHeader("X-File-Path", encodeURIComponent(path.slice(-MOST_PATH)));
    request.setRequestHeader("X-Expected-Files", String(options.expected));
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.onprogress = ({ loaded }) => options.onProgress(loaded);
    request.onerror = () => reject(CONNECTION_LOST);
    request.onabort = () => reject(CONNECTION_LOST);
    request.ontimeout = () => reject(CONNECTION_LOST);
    request.onload = () => {
      const error = errorOf(request, options.url);
      if (error) reject(error);
      else resolve();
    };
    request.send(file);
  });
}

function errorOf(request: XMLHttpRequest, url: string): SendError | undefined {
  const answer = parsed(request.responseText);
  const wentElsewhere = new URL(request.responseURL).pathname !== url;
  if (wentElsewhere || request.status === 401 || request.status === 403) {
    return new SendError(
      "You are signed out, or may not upload. Sign in in another tab, load this page again, and drop the files again: nothing is stored twice.",
      false,
    );
  }
  if (request.status === 200 && answer?.items) return undefined;
  const message = answer?.message ?? `The server answered with error ${request.status}.`;
  const isPassing = request.status >= 500 && request.status !== 507;
  return new SendError(message, isPassing || request.status === 429 || answer?.code === "interrupted");
}

function parsed(text: string): { items?: unknown[]; code?: string; message?: string } | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
