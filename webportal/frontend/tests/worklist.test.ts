import { beforeEach, expect, test } from "vitest";

import { Life } from "../src/life";
import { holdRows } from "../src/worklist/rows";
import { Selection } from "../src/worklist/selection";

let life = new Life();
let selection: Selection;

function table(...ids: string[]): string {
  const rows = ids.map(
    (id) => `<tr class="worklist-row" id="row-${id}"><td><input type="checkbox" name="study" value="${id}"></td>
      <td><a class="stretched-link" href="/studies/${id}">${id}</a></td></tr>`,
  );
  return `<div class="table-responsive"><table>
    <thead><tr><th><input type="checkbox" id="select-page"></th></tr></thead>
    <tbody>${rows.join("")}</tbody></table></div>`;
}

beforeEach(() => {
  life.end();
  life = new Life();
  document.body.innerHTML = `<form id="bulk" data-one="1 study" data-many="%s studies">
    <select><option data-selected-count></option></select>
    <button type="button" data-clear-selection></button></form>
    <div id="worklist">${table("a", "b", "c")}</div>`;
  selection = new Selection(list(), life);
});

const list = (): HTMLElement => document.querySelector<HTMLElement>("#worklist")!;
const box = (id: string): HTMLInputElement => list().querySelector<HTMLInputElement>(`input[value=${id}]`)!;
const count = (): string | undefined => document.querySelector("[data-selected-count]")?.textContent;

function fresh(html: string): DocumentFragment {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
}

function rows(of: ParentNode): string[] {
  return [...of.querySelectorAll("tr.worklist-row")].map(({ id }) => id.replace("row-", ""));
}

test("rows that are held keep their order; what is gone stays, dimmed, and what is new waits", () => {
  const update = fresh(table("d", "c", "b"));
  expect(holdRows(list(), update)).toBe(true);
  expect(rows(update)).toEqual(["a", "b", "c"]);
  expect(update.querySelector("#row-a")?.className).toContain("is-gone");
  expect(update.querySelector("#row-c")?.className).not.toContain("is-gone");
});

test("rows that are held show what the update says of them", () => {
  const update = fresh(table("c", "b", "a").replace(">b<", ">b, signed<"));
  holdRows(list(), update);
  expect(update.querySelector("#row-b")?.textContent).toContain("b, signed");
});

test("an update with the same rows in the same order holds nothing back", () => {
  expect(holdRows(list(), fresh(table("a", "b", "c")))).toBe(false);
});

test("a table from which everything is gone stays, too", () => {
  const update = fresh('<div class="empty-state">Nothing is waiting</div>');
  expect(holdRows(list(), update)).toBe(true);
  expect(rows(update)).toEqual(["a", "b", "c"]);
});

test("ticks go over into an update and are counted; a row that it takes away is no longer ticked", () => {
  box("b").click();
  box("c").click();
  expect(count()).toBe("2 studies");
  const update = fresh(table("d", "b"));
  selection.mark(update);
  list().replaceChildren(update);
  selection.read();
  expect(box("b").checked).toBe(true);
  expect(box("d").checked).toBe(false);
  expect(count()).toBe("1 study");
});

test("the box in the heading ticks the page, and is half ticked for a part of it", () => {
  const all = list().querySelector<HTMLInputElement>("#select-page")!;
  all.click();
  expect(count()).toBe("3 studies");
  box("a").click();
  expect([all.checked, all.indeterminate]).toEqual([false, true]);
  document.querySelector<HTMLElement>("[data-clear-selection]")!.click();
  expect(selection.isEmpty).toBe(true);
});
