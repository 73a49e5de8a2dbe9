import "./reading.css";
import "./signing.css";
import { DraftKeeper } from "./draft";
import type { Life } from "./life";
import { isSwitchedOff } from "./shortcuts";

/**
 * Keyboard shortcuts of the reading form: digits choose findings, `g` and a digit a zone, `q` and a key
 * insert a text, Enter signs. None of them are shortcuts of the viewer.
 */
export function bindReadKeys(life: Life): void {
  const form = document.querySelector<HTMLFormElement>("form[data-read]");
  if (form) new DraftKeeper(form, life);
  // Before the viewer gets the key: a prompt for texts or zones takes letters that are its shortcuts.
  document.addEventListener("keydown", (event) => onKeyDown(form, event), {
    capture: true,
    signal: life.signal,
  });
  if (!form) return;
  for (const button of form.querySelectorAll<HTMLElement>("[data-text]")) {
    button.addEventListener("click", () => insertText(form, button.dataset["text"] ?? ""));
  }
}

function onKeyDown(form: HTMLFormElement | null, event: KeyboardEvent): void {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const target = event.target as HTMLElement;
  if (target.closest("dialog, .modal")) return;
  if (event.key === "Escape" && target.matches("textarea")) return target.blur();
  if (isTypedInto(target) || isSwitchedOff(event)) return;
  if (form && handleKey(form, event, target)) {
    event.preventDefault();
    event.stopPropagation();
  } else if (event.key === "n") document.querySelector<HTMLElement>("[data-next-study]")?.click();
}

/** Handle a key while the form is open; returns whether it was handled. */
function handleKey(form: HTMLFormElement, event: KeyboardEvent, target: HTMLElement): boolean {
  const templates = form.querySelector<HTMLDetailsElement>("[data-templates]");
  if (templates?.open) {
    const chosen = find(form, `[data-template-key="${CSS.escape(event.key)}"]`);
    const closes = chosen !== null || event.key === "Escape" || event.key === "q";
    if (closes) templates.open = false;
    chosen?.click();
    return closes;
  }
  const zones = find(form, "[data-zones]");
  if (zones?.classList.contains("is-asked")) {
    zones.classList.remove("is-asked");
    if (event.key === "g" || event.key === "Escape") return true;
    const zone = find(form, `[data-zone-key="${CSS.escape(event.key)}"]`);
    press(zone);
    if (zone) return true;
  }
  if (event.key === "Enter") {
    if (target.closest("a, button, summary")) return false;
    sign(form);
    return true;
  }
  if (event.key === "g") {
    if (!zones?.inert) show(zones, () => zones?.classList.add("is-asked"));
  } else if (event.key === "t") form.querySelector("textarea")?.focus();
  else if (event.key === "q" && templates) show(templates, () => (templates.open = true));
  else {
    const tick = event.shiftKey ? null : find(form, `[data-read-key="${CSS.escape(event.key)}"]`);
    press(tick);
    return tick !== null;
  }
  return true;
}

/** Click an input unless it is inert, as findings are until an image is shown. */
function press(input: HTMLElement | null): void {
  if (!input?.closest("[inert]")) input?.click();
}

/** Sign if the password has been typed, otherwise focus its field. */
function sign(form: HTMLFormElement): void {
  const password = form.querySelector<HTMLInputElement>("input[name=password]");
  const button = form.querySelector<HTMLButtonElement>("button[data-signs]");
  if (!password?.value) password?.focus();
  else button?.click();
}

/** Change a part of the form and scroll it into view. */
function show(part: HTMLElement | null, change: () => void): void {
  change();
  part?.scrollIntoView({ block: "center" });
}

function insertText(form: HTMLFormElement, text: string): void {
  const impression = form.querySelector("textarea");
  if (!impression) return;
  const before = impression.value.trimEnd();
  impression.value = before === "" ? text : `${before}\n${text}`;
  impression.dispatchEvent(new Event("input", { bubbles: true }));
  const templates = form.querySelector<HTMLDetailsElement>("[data-templates]");
  if (templates) templates.open = false;
}

function find(form: HTMLFormElement, selector: string): HTMLElement | null {
  return form.querySelector<HTMLElement>(selector);
}

function isTypedInto(target: HTMLElement): boolean {
  return target.matches("textarea, select, input:not([type=radio]):not([type=checkbox]):not([type=range])");
}
