import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { countEmergencies } from "../src/emergency";

const BANNER = `
  <div data-emergency="900" data-renewable="600">
    <span data-running>until 10:00 (<span data-minutes>15</span> min)</span>
    <span data-ended hidden>has ended</span>
    <span data-renew hidden>Renew</span>
  </div>
  <textarea></textarea><div id="upload"></div>`;

const reload = vi.fn();

function part(selector: string): HTMLElement {
  return document.querySelector<HTMLElement>(selector)!;
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(window.location, "reload").mockImplementation(reload);
  reload.mockClear();
  document.body.innerHTML = BANNER;
  countEmergencies();
});

afterEach(() => vi.useRealTimers());

test("it is renewed in its last minutes, and its end reloads the page", () => {
  expect(part("[data-minutes]").textContent).toBe("15");
  vi.advanceTimersByTime(295_000);
  expect(part("[data-renew]").hidden).toBe(true);
  vi.advanceTimersByTime(10_000);
  expect(part("[data-renew]").hidden).toBe(false);
  expect(reload).not.toHaveBeenCalled();
  vi.advanceTimersByTime(600_000);
  expect(reload).toHaveBeenCalledTimes(1);
});

test.each([
  ["something is typed", () => part("textarea").dispatchEvent(new Event("input", { bubbles: true }))],
  ["files are being sent", () => part("#upload").toggleAttribute("data-sending", true)],
])("its end loads no page on which %s", (_, act) => {
  act();
  vi.advanceTimersByTime(905_000);
  expect(reload).not.toHaveBeenCalled();
  expect(part("[data-ended]").hidden).toBe(false);
  expect(part("[data-running]").hidden).toBe(true);
});
