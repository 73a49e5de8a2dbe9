import { afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";

import { DraftKeeper } from "../src/draft";
import { Life } from "../src/life";
import { type Answer, Portal } from "./portal";

// htmx, which the swap of pages needs, does not run outside of a browser.
vi.mock("../src/swap", () => ({ submitInPlace: () => Promise.resolve(false) }));

const portal = new Portal();
const PATIENCE = { timeout: 10_000 };
let life: Life;
let save: () => Answer;
let version: number;

const SAVED = (): Answer => ({ headers: { "X-Saved": "yes", "X-Draft-Version": String(++version) }, body: "Saved" });

beforeAll(() => portal.start());

beforeEach(() => {
  portal.requests.length = 0;
  version = 1;
  save = SAVED;
  portal.respond = ({ path }) => (path === "/draft" ? save() : { status: 404 });
  document.cookie = "csrftoken=of-this-session";
  document.body.innerHTML = `<form action="/sign" data-draft="/draft" data-unsaved="Not saved yet"
      data-unreachable="The portal does not answer" data-signed-out="You are signed out" data-signing="Signing">
    <input type="hidden" name="csrfmiddlewaretoken" value="of-an-earlier-session">
    <input type="hidden" name="version" value="1">
    <input name="comment"><input type="password" name="password"><span class="draft-state"></span>
    <button data-signs>Sign</button></form>`;
  life = new Life();
  new DraftKeeper(form(), life);
});

afterEach(() => {
  life.end();
  vi.restoreAllMocks();
});

const form = (): HTMLFormElement => document.querySelector("form")!;
const state = (): string => document.querySelector(".draft-state")!.textContent;
const field = (name: string): HTMLInputElement => form().elements.namedItem(name) as HTMLInputElement;

function type(name: string, value: string): void {
  field(name).value = value;
  field(name).dispatchEvent(new Event("input", { bubbles: true }));
}

function bodies(): string[] {
  return portal.to("/draft").map(({ body }) => body);
}

test("what is typed is saved soon, without the password", async () => {
  type("password", "secret");
  type("comment", "Effusion");
  expect(state()).toBe("Not saved yet");
  await vi.waitFor(() => expect(state()).toBe("Saved"), PATIENCE);
  expect(bodies()).toHaveLength(1);
  expect(bodies()[0]).toContain("Effusion");
  expect(bodies()[0]).not.toContain("secret");
  expect(field("version").value).toBe("2");
});

test("what the portal did not take is sent again", async () => {
  save = () => ({ status: 500 });
  type("comment", "Effusion");
  await vi.waitFor(() => expect(state()).toBe("The portal does not answer"), PATIENCE);
  save = SAVED;
  window.dispatchEvent(new Event("online"));
  await vi.waitFor(() => expect(state()).toBe("Saved"), PATIENCE);
});

test("a draft that another window has saved is not written over until the reader says so", async () => {
  save = () => ({ headers: { "X-Saved": "conflict", "X-Draft-Version": "7" }, body: '<button type="button" data-keep-mine></button>' });
  type("comment", "Effusion");
  await vi.waitFor(() => expect(form().querySelector("[data-keep-mine]")).not.toBeNull(), PATIENCE);
  type("comment", "Effusion on the left");
  window.dispatchEvent(new Event("online"));
  expect(bodies()).toHaveLength(1);
  save = SAVED;
  form().querySelector<HTMLElement>("[data-keep-mine]")!.click();
  await vi.waitFor(() => expect(state()).toBe("Saved"), PATIENCE);
  expect(bodies()[1]).toContain("7");
});

test("a signature is sent when the portal has just taken the draft, with the token of this session", async () => {
  const submitted = vi.spyOn(HTMLFormElement.prototype, "submit").mockImplementation(() => undefined);
  form().requestSubmit(document.querySelector<HTMLButtonElement>("[data-signs]"));
  await vi.waitFor(() => expect(submitted).toHaveBeenCalledOnce(), PATIENCE);
  expect(bodies()).toHaveLength(1);
  expect(field("csrfmiddlewaretoken").value).toBe("of-this-session");
});

test("a signature is not sent when the session is over, and the form can be used again", async () => {
  const submitted = vi.spyOn(HTMLFormElement.prototype, "submit").mockImplementation(() => undefined);
  save = () => ({ status: 403 });
  form().requestSubmit(document.querySelector<HTMLButtonElement>("[data-signs]"));
  await vi.waitFor(() => expect(state()).toBe("You are signed out"), PATIENCE);
  expect(form().hasAttribute("aria-busy")).toBe(false);
  expect(submitted).not.toHaveBeenCalled();
});

test("a page is left only when everything is with the portal", async () => {
  save = () => ({ status: 500 });
  type("comment", "Effusion");
  expect(await life.mayEnd()).toBe(false);
  save = SAVED;
  expect(await life.mayEnd()).toBe(true);
});
