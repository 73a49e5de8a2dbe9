import type { Life } from "./life";

/** What the viewer reports about an image: loading, drawn, recorded as viewed, or no longer displayable. */
export type ImageState = "loading" | "drawn" | "viewed" | "lost";

interface ImageReport {
  image: string;
  state: ImageState;
}

const IMAGE_EVENT = "chestline:image";

export function reportImageState(image: string, state: ImageState): void {
  document.dispatchEvent(new CustomEvent<ImageReport>(IMAGE_EVENT, { detail: { image, state } }));
}

/** Call `handle` with each report about an image as long as the page lives. */
export function onImageState({ signal }: Life, handle: (report: ImageReport) => void): void {
  const listener = (event: Event): void => handle((event as CustomEvent<ImageReport>).detail);
  document.addEventListener(IMAGE_EVENT, listener, { signal });
}

/**
 * Allows signing only once the reader has seen the images and knows whose they are. The portal refuses
 * anything else; this says so in advance, and disables the findings until an image is shown.
 *
 * A signature attempted too early is neither silently dropped nor queued, because something else may be
 * on the screen by then: the form says that nothing was signed and why, and later that it can be signed.
 */
export class SignGate {
  private readonly form: HTMLFormElement;
  /** Every image that has been drawn on this page and can still be shown. */
  private readonly drawn = new Set<string>();
  private chosen = "";
  private maySign = false;

  constructor(form: HTMLFormElement, life: Life) {
    const { signal } = life;
    this.form = form;
    onImageState(life, (report) => this.follow(report));
    document.addEventListener("htmx:afterRequest", () => this.update(), { signal });
    for (const kind of ["input", "change"]) form.addEventListener(kind, () => this.update());
    // In the capture phase, before any other handler.
    form.addEventListener("click", (event) => this.onSignature(event, event.target), { capture: true });
    form.addEventListener("submit", (event) => this.onSignature(event, event.submitter), { capture: true });
    for (const button of this.missing) {
      button.addEventListener("click", () => {
        const id = CSS.escape(button.dataset["showImage"] ?? "");
        document.querySelector<HTMLElement>(`[data-image][value="${id}"]`)?.click();
        document.querySelector(".viewer-stage")?.scrollIntoView({ block: "nearest" });
      });
    }
    this.update();
  }

  private get missing(): HTMLElement[] {
    return [...this.form.querySelectorAll<HTMLElement>("[data-show-image]:not([hidden])")];
  }

  private follow({ image, state }: ImageReport): void {
    if (state === "loading") this.chosen = image;
    if (state === "drawn") this.drawn.add(image);
    if (state === "lost") this.drawn.clear();
    if (state === "viewed") {
      const button = `[data-show-image="${CSS.escape(image)}"]`;
      for (const each of this.form.querySelectorAll<HTMLElement>(button)) each.hidden = true;
    }
    this.update();
  }

  /** Stop a signature that may not be given yet, and say so. */
  private onSignature(event: Event, source: EventTarget | null): void {
    if (this.maySign || !(source as Element | null)?.closest("[data-signs]")) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    this.say("refused", true);
    this.form.querySelector(".sign-gate")?.scrollIntoView({ block: "nearest" });
  }

  private update(): void {
    const hasPicture = this.drawn.has(this.chosen);
    const { missing } = this;
    const isSeen = missing.length === 0;
    // Shown, and the portal has yet to record it.
    const isRecording = !isSeen && missing.every((each) => this.drawn.has(each.dataset["showImage"] ?? ""));
    const isKnown = !document.querySelector("[data-identity-news]") && !this.needsConfirmation;
    for (const part of this.form.querySelectorAll<HTMLElement>("[data-needs-picture]")) {
      part.inert = !hasPicture;
    }
    this.say("no-picture", !hasPicture);
    this.say("images", !isSeen && !isRecording);
    this.say("recording", isRecording);
    this.say("identity", !isKnown);
    this.say("only", !hasPicture || (!isSeen && !isRecording));
    const isCovered = (hasPicture || !this.needsPicture) && isSeen;
    this.maySign = isKnown && (isCovered || this.isExcused);
    for (const button of this.form.querySelectorAll<HTMLButtonElement>("[data-signs]")) {
      // A button with `disabled` gets no clicks and could not explain itself.
      button.disabled = false;
      button.ariaDisabled = String(!this.maySign);
    }
    const wasRefused = this.form.querySelector('[data-gate="refused"]:not([hidden])') !== null;
    if (this.maySign && wasRefused) {
      this.say("refused", false);
      this.say("ready", true);
    } else if (!this.maySign) this.say("ready", false);
  }

  /** Whether a change of the patient's data has yet to be confirmed. */
  private get needsConfirmation(): boolean {
    return this.form.querySelector("[name=identity_acknowledged]:not(:checked)") !== null;
  }

  private get needsPicture(): boolean {
    return this.form.querySelector("[data-needs-picture]") !== null;
  }

  /** Whether the reader states that an image cannot be shown: the signature then needs a reason. */
  private get isExcused(): boolean {
    if (this.form.querySelector("[name=despite_unseen]:checked")) return true;
    const choice = this.form.querySelector<HTMLInputElement>("[name=choice]:checked");
    const impression = this.form.querySelector("textarea");
    const isNotInterpretable = choice?.value.startsWith("not_interpretable") ?? false;
    return isNotInterpretable && impression?.value.trim() !== "";
  }

  private say(what: string, isSo: boolean): void {
    for (const part of this.form.querySelectorAll<HTMLElement>(`[data-gate="${what}"]`)) {
      part.hidden = !isSo;
    }
  }
}

/** Guard every form on the page that signs something. */
export function guardSignatures(life: Life): void {
  const buttons = [...document.querySelectorAll<HTMLButtonElement>("[data-signs]")];
  for (const form of new Set(buttons.map((button) => button.form))) if (form) new SignGate(form, life);
}
