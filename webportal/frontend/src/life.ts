/**
 * The lifetime of a page. Worklist and study pages replace each other without a new document (swap.ts),
 * so whatever a page starts must end with it: listeners on document and window, timers, Cornerstone.
 */

/** Makes sure that nothing is lost by leaving; returns whether that worked. */
type Check = () => Promise<boolean>;
type Start = (life: Life) => void;

export class Life {
  private readonly ending = new AbortController();
  private readonly checks: Check[] = [];

  /** For addEventListener and fetch: aborted when the page ends. */
  get signal(): AbortSignal {
    return this.ending.signal;
  }

  /** Do something when the page ends. */
  onEnd(act: () => void): void {
    this.signal.addEventListener("abort", act, { once: true });
  }

  /** Ask before another page replaces this one; on "no" the browser takes over and asks the reader. */
  beforeLeaving(check: Check): void {
    this.checks.push(check);
  }

  async mayEnd(): Promise<boolean> {
    for (const check of this.checks) if (!(await check())) return false;
    return true;
  }

  end(): void {
    this.ending.abort();
  }
}

let current = new Life();
const starts: Start[] = [];

/** Start something on the current page and on every page that replaces it. */
export function onEachPage(start: Start): void {
  starts.push(start);
  start(current);
}

/** Whether the current page can be left without losing anything. */
export function mayLeave(): Promise<boolean> {
  return current.mayEnd();
}

/** End the current page, replace it with `change`, and start the new one. */
export function turnPage(change: () => void): void {
  current.end();
  current = new Life();
  change();
  for (const start of starts) start(current);
}
