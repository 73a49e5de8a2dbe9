/** Covers a page that nobody is using until the person who opened it authenticates again. */

import { csrfToken, renewToken } from "./csrf";

/** Sent by the document when its page has been uncovered. */
export const UNLOCKED = "chestline:unlocked";
const CHECK_MS = 1000;
// How often activity is reported to the other tabs, and to the portal.
const RECORD_MS = 2000;
const REPORT_MS = 30_000;
const SESSION_LOCKED = 423;
const SOMEBODY_ELSE = 409;
const USES = ["pointerdown", "pointermove", "keydown", "wheel", "touchstart"];

export function lockWhenIdle(): void {
  const dialog = document.querySelector<HTMLDialogElement>("#lock");
  if (dialog) new Lock(dialog);
}

/** Whether the page is covered; the portal then refuses its requests. */
export function isLocked(): boolean {
  return document.querySelector<HTMLDialogElement>("#lock")?.open ?? false;
}

class Lock {
  private readonly dialog: HTMLDialogElement;
  private readonly limit: number;
  private readonly person: string;
  /** What this person's tabs tell each other: when one was used last, and that all are covered. */
  private readonly activityKey: string;
  private readonly lockedKey: string;
  private recordedAt = 0;
  private reportedAt = 0;
  private isUnreported = false;
  private isCovered = false;
  /** Whether the portal has locked the session, too. */
  private isClosed = false;
  private wasFocused: HTMLElement | null = null;

  constructor(dialog: HTMLDialogElement) {
    this.dialog = dialog;
    this.limit = Number(dialog.dataset["seconds"]) * 1000;
    this.person = dialog.dataset["person"] ?? "";
    this.activityKey = `chestline.activity.${this.person}`;
    this.lockedKey = `chestline.locked.${this.person}`;
    for (const kind of USES)
      window.addEventListener(kind, () => this.recordActivity(), { passive: true, capture: true });
    dialog.addEventListener("submit", (event) => this.onSubmit(event));
    // Escape must not close it, however often it is pressed.
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    dialog.addEventListener("close", () => this.isCovered && dialog.showModal());
    window.addEventListener("storage", ({ key }) => key === this.lockedKey && this.follow());
    document.addEventListener("htmx:responseError", (event) => {
      const { xhr } = (event as CustomEvent<{ xhr: XMLHttpRequest }>).detail;
      if (xhr.status === SESSION_LOCKED) this.followPortal();
    });
    // The portal has served this page, so the session is not locked.
    if (read(this.lockedKey) !== "") write(this.lockedKey, "");
    // A page may reload itself; opening it took somebody.
    if (!isReloaded() || read(this.activityKey) === "") this.recordActivity();
    // The portal knows of it by the request for the page.
    [this.isUnreported, this.reportedAt] = [false, Date.now()];
    setInterval(() => this.check(), CHECK_MS);
    document.addEventListener("visibilitychange", () => this.check());
  }

  private recordActivity(): void {
    const now = Date.now();
    if (this.isCovered || now - this.recordedAt < Math.min(RECORD_MS, this.limit / 4)) return;
    // After the machine has slept, the first input arrives before the check.
    if (this.recordedAt > 0 && this.isIdle(now)) return this.check();
    this.recordedAt = now;
    this.isUnreported = true;
    write(this.activityKey, String(now));
  }

  private isIdle(now: number): boolean {
    return now - Math.max(this.recordedAt, Number(read(this.activityKey))) >= this.limit;
  }

  private check(): void {
    if (this.isCovered) {
      if (!this.isClosed) void this.closeSession();
    } else if (this.isIdle(Date.now())) {
      write(this.lockedKey, "yes");
      this.cover();
      void this.closeSession();
    } else if (this.isUnreported && Date.now() - this.reportedAt >= REPORT_MS) {
      void this.reportUse();
    }
  }

  /** Tell the portal that somebody is here; what the page asks for by itself does not. */
  private async reportUse(): Promise<void> {
    this.isUnreported = false;
    this.reportedAt = Date.now();
    try {
      const { status } = await this.post("inUse");
      if (status === SESSION_LOCKED || status === SOMEBODY_ELSE) this.followPortal();
    } catch {
      // Say it as soon as there is a connection.
      [this.isUnreported, this.reportedAt] = [true, 0];
    }
  }

  private post(address: "inUse" | "lock"): Promise<Response> {
    const headers = { "X-CSRFToken": csrfToken() };
    const body = new URLSearchParams({ person: this.person });
    return fetch(this.dialog.dataset[address] ?? "", { method: "POST", body, headers, keepalive: true });
  }

  private async closeSession(): Promise<void> {
    this.isClosed = true;
    try {
      this.isClosed = (await this.post("lock")).ok;
    } catch {
      this.isClosed = false;
    }
  }

  /** The portal has heard nothing of this page for too long, as when it could not be reached. */
  private followPortal(): void {
    if (this.isCovered) return;
    write(this.lockedKey, "yes");
    this.cover();
    this.isClosed = true;
  }

  /** React to what another tab did. */
  private follow(): void {
    if (read(this.lockedKey) !== "") this.cover();
    else this.uncover();
  }

  private cover(): void {
    if (this.isCovered) return;
    this.isCovered = true;
    this.wasFocused = document.activeElement as HTMLElement | null;
    for (const open of document.querySelectorAll<HTMLDialogElement>("dialog[open]")) open.close();
    const template = document.querySelector<HTMLTemplateElement>("#lock-fields");
    if (template) this.dialog.replaceChildren(template.content.cloneNode(true));
    document.body.classList.add("is-locked");
    this.dialog.showModal();
    this.secret?.focus();
  }

  private uncover(): void {
    if (!this.isCovered) return;
    this.isCovered = this.isClosed = false;
    write(this.lockedKey, "");
    this.recordedAt = 0;
    this.recordActivity();
    document.body.classList.remove("is-locked");
    this.dialog.close();
    this.dialog.replaceChildren();
    // Signing in again in another tab has invalidated this page's tokens.
    for (const form of document.forms) renewToken(form);
    document.dispatchEvent(new Event(UNLOCKED));
    this.wasFocused?.focus({ preventScroll: true });
  }

  private get secret(): HTMLInputElement | null {
    return this.dialog.querySelector("[name=secret]");
  }

  private onSubmit(event: SubmitEvent): void {
    const form = event.target as HTMLFormElement;
    renewToken(form);
    // Signing out leads to another page.
    if (event.submitter?.hasAttribute("formaction")) return;
    event.preventDefault();
    event.stopPropagation();
    void this.unlock(form);
  }

  private async unlock(form: HTMLFormElement): Promise<void> {
    const body = new FormData(form);
    if (this.secret) this.secret.value = "";
    const passkey = form.elements.namedItem("passkey") as HTMLInputElement | null;
    if (passkey) passkey.value = "";
    try {
      const headers = { Accept: "application/json" };
      const answer = await fetch(form.action, { method: "POST", body, headers });
      // The session has ended meanwhile, or is another person's.
      if (answer.redirected || answer.status === SOMEBODY_ELSE) return location.reload();
      if (answer.ok) return this.uncover();
      const { detail } = (await answer.json()) as { detail: string };
      this.say(detail);
    } catch {
      this.say(this.dialog.dataset["unreachable"] ?? "");
    }
    this.secret?.focus();
  }

  private say(text: string): void {
    const place = this.dialog.querySelector("#lock-error");
    if (place) place.textContent = text;
  }
}

function isReloaded(): boolean {
  const [load] = performance.getEntriesByType("navigation") as PerformanceNavigationTiming[];
  return load?.type === "reload";
}

// A browser without storage still covers an unused tab.
function read(key: string): string {
  try {
    return localStorage.getItem(key) ?? "";
  } catch {
    return "";
  }
}

function write(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    return;
  }
}
