/**
 * Replaces studies and the worklist by one another without loading a document, so that Cornerstone and
 * the prefetched pixels are kept. Anything unexpected (another kind of page, a sign-in, an error, a newer
 * version of the portal) is left to the browser.
 */

import htmx from "htmx.org";

import { mayLeave, onEachPage, turnPage } from "./life";

const PAGES = /^\/(studies\/[0-9a-f-]{36}|worklist)$/;
const STUDY = /^\/studies\//;
const GIVE_UP_MS = 20_000;
// A notice shown for less than this would only flicker.
const NOTICE_AFTER_MS = 400;

interface Fetched {
  page: Document;
  address: string;
}

interface Turning {
  controller: AbortController;
  /** Make the current page usable again. */
  release(): void;
}

let isReady = false;
/** Path and query of the displayed page. */
let shown = here();
let turning: Turning | null = null;
let isSending = false;

/** Intercept links, forms that opt in, and the browser's history. */
export function openInPlace(): void {
  document.addEventListener("click", (event) => followLink(event));
  document.addEventListener("submit", (event) => followForm(event));
  window.addEventListener("popstate", (event) => followHistory(event));
  window.addEventListener("keydown", (event) => holdKey(event), { capture: true });
  onEachPage(() => {
    if (main()?.dataset["swap"] === "worklist" && !isReady) whenIdle(() => import("./viewer"));
  });
}

/** From now on studies can be opened in place: the viewer code is loaded. */
export function allowStudies(): void {
  isReady = true;
  // For tests and scripts that inspect the page.
  document.documentElement.dataset["opens"] = "in-place";
}

/** From now on load a new document for each study: this one can no longer draw. */
export function stopStudies(): void {
  isReady = false;
}

/**
 * Submit a form and replace this page with the one that it leads to. Returns false, with nothing changed
 * here, if the response was not such a page.
 */
export async function submitInPlace(form: HTMLFormElement, button: HTMLElement | null): Promise<boolean> {
  if (!isReady || turning) return false;
  isSending = true;
  try {
    const address = button?.getAttribute("formaction") ?? form.action;
    return await turn(address, { body: new FormData(form, button) });
  } finally {
    isSending = false;
  }
}

// ── What leads to another page ──────────────────────────────────────────────────────────────────

function followLink(event: MouseEvent): void {
  const link = (event.target as Element).closest<HTMLAnchorElement>("a[href]");
  if (!link || event.defaultPrevented || event.button !== 0 || isSending) return;
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  if (link.target || link.download || link.hash || link.origin !== location.origin) return;
  const address = link.pathname + link.search;
  if (!canOpen(address)) return;
  event.preventDefault();
  void turn(address, {}).then((isOpen) => isOpen || location.assign(address));
}

function followForm(event: SubmitEvent): void {
  const form = event.target as HTMLFormElement;
  if (event.defaultPrevented || !isReady || turning || !form.matches("form[data-swap]")) return;
  event.preventDefault();
  void submitInPlace(form, event.submitter).then((isOpen) => isOpen || form.submit());
}

function followHistory(event: PopStateEvent): void {
  const address = here();
  // Only a fragment; or a signature is being submitted, and its page will follow.
  if (address === shown || isSending) return;
  if (!canOpen(address)) return location.reload();
  const { scroll = 0 } = (event.state ?? {}) as { scroll?: number };
  void turn(address, { isBack: true, scroll }).then((isOpen) => {
    if (isOpen || here() !== address) return;
    // The URL stays that of the visible page until the browser has asked, if it has to.
    history.pushState(null, "", shown);
    location.assign(address);
  });
}

/** A key pressed meanwhile is meant for the next page. */
function holdKey(event: KeyboardEvent): void {
  if (!turning || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  event.stopImmediatePropagation();
}

function canOpen(address: string): boolean {
  const [path = ""] = address.split("?");
  const isStudy = STUDY.test(path) || STUDY.test(shown);
  return isReady && isStudy && PAGES.test(path) && main()?.dataset["swap"] !== undefined;
}

// ── Turning ─────────────────────────────────────────────────────────────────────────────────────

interface Turn {
  body?: FormData;
  isBack?: boolean;
  /** Scroll position when the page was left. */
  scroll?: number;
}

async function turn(address: string, { body, isBack = false, scroll = 0 }: Turn): Promise<boolean> {
  turning?.controller.abort();
  turning?.release();
  const own: Turning = { controller: new AbortController(), release: holdPage() };
  turning = own;
  const fetched = (await mayLeave()) ? await fetchPage(address, own, body) : null;
  // Another navigation through the history has overtaken this one.
  if (turning !== own) return true;
  turning = null;
  own.release();
  if (!fetched) return false;
  replacePage(fetched, isBack);
  scrollTo(0, scroll);
  return true;
}

/** Fetch a page; null if it cannot replace this one in place. */
async function fetchPage(address: string, { controller }: Turning, body?: FormData): Promise<Fetched | null> {
  try {
    const signal = AbortSignal.any([controller.signal, AbortSignal.timeout(GIVE_UP_MS)]);
    const request = body ? { method: "POST", body } : { cache: "no-store" as const };
    const answer = await fetch(address, { ...request, signal });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const content = main(page);
    if (content?.dataset["swap"] === undefined || version(page) !== version(document)) return null;
    // Without scripting, `noscript` contents are parsed as elements, and their images would be fetched.
    for (const unwanted of page.querySelectorAll("noscript")) unwanted.remove();
    const { pathname, search } = new URL(answer.url);
    return { page, address: content.dataset["address"] ?? pathname + search };
  } catch {
    return null;
  }
}

/** Replace everything at once, so that no image is ever shown beside another study's panels. */
function replacePage({ page, address }: Fetched, isBack: boolean): void {
  const left = shown;
  if (!isBack && address !== shown) {
    history.replaceState({ scroll: scrollY }, "");
    history.pushState(null, "", address);
  }
  shown = address;
  try {
    turnPage(() => {
      document.title = page.title;
      document.documentElement.lang = page.documentElement.lang;
      copyAttribute(page.body, "data-shortcuts");
      copyAttribute(page.body, "hx-headers");
      for (const part of ["body > header", "main"]) {
        const present = document.querySelector<HTMLElement>(part);
        const next = page.querySelector<HTMLElement>(part);
        if (!present || !next) continue;
        present.replaceWith(document.adoptNode(next));
        htmx.process(next);
      }
    });
  } catch (error) {
    reportError(error);
    location.assign(address);
  }
  focusOn(left);
}

/** Initial focus: the error, the row the reader came back from, or the heading. */
function focusOn(left: string): void {
  const content = main();
  const heading = content?.querySelector<HTMLElement>("h1");
  if (heading) heading.tabIndex = -1;
  const row = `a.stretched-link[href="${CSS.escape(left)}"]`;
  const target =
    content?.querySelector<HTMLElement>("[autofocus]") ?? content?.querySelector<HTMLElement>(row);
  (target ?? heading)?.focus({ preventScroll: true });
}

/** The page is inert until the next one has arrived or failed. */
function holdPage(): () => void {
  const content = main();
  const notice = document.querySelector<HTMLElement>("#opening");
  const focused = document.activeElement as HTMLElement | null;
  if (content) content.inert = true;
  const timer = setTimeout(() => {
    if (notice) notice.hidden = false;
    content?.classList.add("is-leaving");
  }, NOTICE_AFTER_MS);
  return () => {
    clearTimeout(timer);
    if (notice) notice.hidden = true;
    content?.classList.remove("is-leaving");
    if (content) content.inert = false;
    focused?.focus({ preventScroll: true });
  };
}

function copyAttribute(from: HTMLElement, name: string): void {
  const value = from.getAttribute(name);
  if (value === null) document.body.removeAttribute(name);
  else document.body.setAttribute(name, value);
}

/** The build of scripts and styles that a page needs. */
function version(page: Document): string {
  const script = page.querySelector("head script[type=module]")?.getAttribute("src");
  const style = page.querySelector("head link[rel=stylesheet]")?.getAttribute("href");
  return `${script} ${style}`;
}

function main(page: Document = document): HTMLElement | null {
  return page.querySelector("main");
}

function here(): string {
  return location.pathname + location.search;
}

function whenIdle(act: () => unknown): void {
  if ("requestIdleCallback" in window) requestIdleCallback(() => act(), { timeout: 3000 });
  else setTimeout(act, 500);
}
