/** Covers a page that nobody is using until its reader authenticates again. */

import { csrfToken, renewToken } from "./csrf";

const ACTIVITY = "chestline.activity";
const LOCKED = "chestline.locked";
const CHECK_MS = 1000;
// How often activity is reported to the other tabs.
const RECORD_MS = 2000;
const SESSION_LOCKED = 423;
const USES = ["pointerdown", "pointermove", "keydown", "wheel", "touchstart"];

export function lockWhenIdle(): void {
  const dialog = document.querySelector<HTMLDialogElement>("#lock");
  // Pages without a cover, such as the sign-in page, prove that somebody is there.
  if (!dialog) return write(ACTIVITY, String(Date.now()));
  new Lock(dialog);
}

/** Whether the page is covered; the portal then refuses its requests. */
export function isLocked(): boolean {
  return document.querySelector<HTMLDialogElement>("#lock")?.open ?? false;
}

class Lock {
  private readonly dialog: HTMLDialogElement;
  private readonly limit: number;
  private recordedAt = 0;
  private isCovered = false;
  /** Whether the portal has locked the session, too. */
  private isClosed = false;
  private wasFocused: HTMLElement | null = null;

  constructor(dialog: HTMLDialogElement) {
    this.dialog = dialog;
    this.limit = Number(dialog.dataset["seconds"]) * 1000;
    for (const kind of USES)
      window.addEventListener(kind, () => this.recordActivity(), { passive: true, capture: true });
    dialog.addEventListener("submit", (event) => this.onSubmit(event));
    // Escape must not close it, however often it is pressed.
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    dialog.addEventListener("close", () => this.isCovered && dialog.showModal());
    window.addEventListener("storage", ({ key }) => key === LOCKED && this.follow());
    document.addEventListener("htmx:responseError", (event) => {
      const { xhr } = (event as CustomEvent<{ xhr: XMLHttpRequest }>).detail;
      if (xhr.status === SESSION_LOCKED) this.followPortal();
    });
    // The portal has served this page, so the session is not locked.
    if (read(LOCKED) !== "") write(LOCKED, "");
    this.recordActivity();
    setInterval(() => this.check(), CHECK_MS);
    document.addEventListener("visibilitychange", () => this.check());
  }

  private recordActivity(): void {
    const now = Date.now();
    if (this.isCovered || now - this.recordedAt < Math.min(RECORD_MS, this.limit / 4)) return;
    // After the machine has slept, the first input arrives before the check.
    if (this.recordedAt > 0 && this.isIdle(now)) return this.check();
    this.recordedAt = now;
    write(ACTIVITY, String(now));
  }

  private isIdle(now: number): boolean {
    return now - Math.max(this.recordedAt, Number(read(ACTIVITY))) >= this.limit;
  }

  private check(): void {
    if (this.isCovered) {
      if (!this.isClosed) void this.closeSession();
    } else if (this.isIdle(Date.now())) {
      write(LOCKED, "yes");
      this.cover();
      void this.closeSession();
    }
  }

  private async closeSession(): Promise<void> {
    this.isClosed = true;
    const headers = { "X-CSRFToken": csrfToken() };
    try {
      const address = this.dialog.dataset["lock"] ?? "";
      const answer = await fetch(address, { method: "POST", headers, keepalive: true });
      this.isClosed = answer.ok;
    } catch {
      this.isClosed = false;
    }
  }

  /** The portal has heard nothing of this page for too long, as when it could not be reached. */
  private followPortal(): void {
    if (this.isCovered) return;
    write(LOCKED, "yes");
    this.cover();
    this.isClosed = true;
  }

  /** React to what another tab did. */
  private follow(): void {
    if (read(LOCKED) !== "") this.cover();
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
    write(LOCKED, "");
    this.recordedAt = 0;
    this.recordActivity();
    document.body.classList.remove("is-locked");
    this.dialog.close();
    this.dialog.replaceChildren();
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
      // The session has ended meanwhile: sign-in returns to this page.
      if (answer.redirected) return location.reload();
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
