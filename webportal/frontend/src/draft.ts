import { csrfToken, renewToken } from "./csrf";
import type { Life } from "./life";
import { submitInPlace } from "./swap";

// Counted from the first change, even if more follow, so that little is ever unsaved.
const SAVE_AFTER_MS = 800;
const RETRY_MS = [2_000, 5_000, 10_000, 15_000];
const GIVE_UP_MS = 12_000;
// A signature stopped in the browser must not leave the form locked.
const SIGNING_MS = 20_000;

/**
 * Saves a reader's draft while they work and when they leave the page, retries if that fails, and
 * submits a signature only when the portal has just responded.
 */
export class DraftKeeper {
  private readonly form: HTMLFormElement;
  private readonly state: HTMLElement | null;
  private changes = 0;
  private saved = 0;
  private failures = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private sending: Promise<boolean> | null = null;
  private isLeaving = false;
  private isConflict = false;
  private isOver = false;

  constructor(form: HTMLFormElement, life: Life) {
    this.form = form;
    this.state = form.querySelector(".draft-state");
    for (const kind of ["input", "change"]) form.addEventListener(kind, (event) => this.onInput(event));
    form.addEventListener("submit", (event) => this.onSubmit(event));
    form.addEventListener("click", (event) => {
      if ((event.target as HTMLElement).closest("[data-keep-mine]")) this.keepMine();
    });
    const { signal } = life;
    window.addEventListener("online", () => this.tryNow(), { signal });
    document.addEventListener("visibilitychange", () => this.tryNow(), { signal });
    window.addEventListener("beforeunload", (event) => this.onBeforeUnload(event), { signal });
    window.addEventListener("pageshow", (event) => event.persisted && this.unlock(), { signal });
    const capture = { capture: true, signal };
    document.addEventListener("keydown", (event) => this.blockKeyWhileSigning(event), capture);
    life.beforeLeaving(() => this.isKept());
    life.onEnd(() => this.end());
  }

  private get isUnsaved(): boolean {
    return this.changes > this.saved;
  }

  private get isSigning(): boolean {
    return this.form.hasAttribute("aria-busy");
  }

  private onInput(event: Event): void {
    const { name } = event.target as HTMLInputElement;
    if (name === "password" || name === "despite_reservation") return;
    this.changes += 1;
    if (this.isConflict) return;
    this.say(this.form.dataset["unsaved"]);
    this.saveLater(SAVE_AFTER_MS);
  }

  private saveLater(milliseconds: number): void {
    if (this.timer !== undefined || this.isOver) return;
    this.timer = setTimeout(() => void this.save(), milliseconds);
  }

  private tryNow(): void {
    if (this.isUnsaved && !this.isConflict && !this.isLeaving) void this.save();
  }

  /** Called before another page replaces this one: returns whether everything is saved. */
  private async isKept(): Promise<boolean> {
    if (this.isLeaving || (!this.isUnsaved && !this.sending)) return true;
    return !this.isConflict && (await this.save());
  }

  private end(): void {
    clearTimeout(this.timer);
    this.isOver = true;
  }

  /** Send the draft; returns whether the portal has saved it. */
  private async save(): Promise<boolean> {
    clearTimeout(this.timer);
    this.timer = undefined;
    while (this.sending) await this.sending;
    this.sending = this.send();
    const isTaken = await this.sending;
    this.sending = null;
    if (isTaken) this.failures = 0;
    else if (!this.isConflict) this.saveLater(RETRY_MS[Math.min(this.failures++, 3)] ?? 0);
    if (isTaken && this.isUnsaved) this.saveLater(SAVE_AFTER_MS);
    return isTaken;
  }

  private async send(): Promise<boolean> {
    const upTo = this.changes;
    try {
      const answer = await this.post(this.entry());
      // The sign-in page, or a token from another session.
      if (answer.type === "opaqueredirect" || answer.status === 403) {
        return this.sayFailure(this.form.dataset["signedOut"]);
      }
      if (!answer.ok) return this.sayFailure(this.form.dataset["unreachable"]);
      const text = await answer.text();
      const outcome = answer.headers.get("X-Saved");
      const isTaken = outcome === "yes";
      this.isConflict = outcome === "conflict";
      this.form.dataset["stored"] = answer.headers.get("X-Draft-Version") ?? "";
      if (isTaken) {
        this.saved = upTo;
        this.version.value = this.form.dataset["stored"];
      }
      if (this.state && !(isTaken && this.isUnsaved)) this.state.innerHTML = text;
      return isTaken;
    } catch {
      return this.sayFailure(this.form.dataset["unreachable"]);
    }
  }

  private post(body: FormData): Promise<Response> {
    return fetch(this.form.dataset["draft"] ?? "", {
      method: "POST",
      body,
      headers: { "HX-Request": "true", "X-CSRFToken": csrfToken() },
      redirect: "manual",
      // The reader may leave the page meanwhile.
      keepalive: true,
      signal: AbortSignal.timeout(GIVE_UP_MS),
    });
  }

  private entry(): FormData {
    const entry = new FormData(this.form);
    entry.delete("password");
    entry.delete("passkey");
    entry.delete("csrfmiddlewaretoken");
    return entry;
  }

  private get version(): HTMLInputElement {
    return this.form.elements.namedItem("version") as HTMLInputElement;
  }

  /** Overwrite the draft saved by another window with the one on this page. */
  private keepMine(): void {
    this.version.value = this.form.dataset["stored"] ?? "";
    this.isConflict = false;
    void this.save();
  }

  private onBeforeUnload(event: BeforeUnloadEvent): void {
    if (this.isLeaving || !this.isUnsaved) return;
    // The browser asks whether to leave the page.
    if (this.failures > 0 || this.isConflict) return event.preventDefault();
    const entry = this.entry();
    // A request in flight will create a newer version, from this same page.
    if (this.sending) entry.delete("version");
    this.saved = this.changes;
    this.post(entry).catch(() => undefined);
  }

  // ── Signing ───────────────────────────────────────────────────────────────────────────────────

  private onSubmit(event: SubmitEvent): void {
    const button = event.submitter;
    if (button?.hasAttribute("formaction")) {
      this.isLeaving = true;
      renewToken(this.form);
      return;
    }
    event.preventDefault();
    if (!this.isSigning) void this.sign(button instanceof HTMLButtonElement ? button : null);
  }

  /** Save once more, which shows that the portal is responding to this reader; then sign. */
  private async sign(button: HTMLButtonElement | null): Promise<void> {
    this.form.setAttribute("aria-busy", "true");
    this.say(this.form.dataset["signing"]);
    if (!(await this.save())) return this.unlock();
    this.say(this.form.dataset["signing"]);
    this.isLeaving = true;
    renewToken(this.form);
    if (await submitInPlace(this.form, button)) return;
    if (button?.name) {
      const then = document.createElement("input");
      [then.type, then.name, then.value] = ["hidden", button.name, button.value];
      this.form.append(then);
    }
    setTimeout(() => this.unlock(), SIGNING_MS);
    this.form.submit();
  }

  private unlock(): void {
    this.form.removeAttribute("aria-busy");
    this.isLeaving = false;
  }

  /** Keys pressed while a signature is being submitted are meant for the next page. */
  private blockKeyWhileSigning(event: KeyboardEvent): void {
    if (!this.isSigning || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }

  private sayFailure(text: string | undefined): boolean {
    this.say(text, "text-warning");
    return false;
  }

  private say(text: string | undefined, style = ""): void {
    if (!this.state) return;
    const words = document.createElement("span");
    words.className = style;
    words.textContent = text ?? "";
    this.state.replaceChildren(words);
  }
}
