import { beforeAll, beforeEach, expect, test } from "vitest";

import { bindPasteTable, cellsOf } from "../src/paste_table";

const COLUMNS = ["name", "birth", "sex"];

beforeAll(() => bindPasteTable());

beforeEach(() => {
  const cell = (line: number, name: string): string =>
    `<td><input name="${name}-${line}"${name === "birth" ? " data-wants-digits" : ""}></td>`;
  const line = (number: number): string =>
    `<tr data-line><th>${number}.png</th>${COLUMNS.map((name) => cell(number, name)).join("")}</tr>`;
  document.body.innerHTML = `<form data-paste-table data-too-many="{lines} lines for {here}"
    data-too-wide="too wide" data-no-date="line {line}: {value}">
    <p data-paste-problem hidden></p><table>${[0, 1, 2].map(line).join("")}</table></form>`;
});

const field = (name: string): HTMLInputElement =>
  document.querySelector<HTMLInputElement>(`[name=${name}]`)!;
const column = (name: string): string[] => [0, 1, 2].map((line) => field(`${name}-${line}`).value);
const problem = (): HTMLElement => document.querySelector<HTMLElement>("[data-paste-problem]")!;

function paste(into: string, text: string): boolean {
  const event = new Event("paste", { bubbles: true, cancelable: true });
  Object.assign(event, { clipboardData: { getData: () => text } });
  return !field(into).dispatchEvent(event);
}

test.each([
  ["a\tb\nc\td\n", [["a", "b"], ["c", "d"]]],
  ["a;b\r\nc;d", [["a", "b"], ["c", "d"]]],
  ["Doe; Jane\tb", [["Doe; Jane", "b"]]],
  // A cell with a line break of its own is one cell, and moves no line after it.
  ['"Gurung\nMaya"\t2020\nRai\t2021', [["Gurung Maya", "2020"], ["Rai", "2021"]]],
  ['"said ""Mo"""\tb', [['said "Mo"', "b"]]],
  ['"Mo\tb', [['"Mo', "b"]]],
  ["a\t\n\tb\n\t\n\n", [["a", ""], ["", "b"]]],
  ["\n", []],
])("cells of %j", (text, cells) => {
  expect(cellsOf(text)).toEqual(cells);
});

test("cells go to the right and downwards from the field", () => {
  expect(paste("name-1", "Rai\t2020-01-02\nThapa\t2021-03-04\n")).toBe(true);
  expect(column("name")).toEqual(["", "Rai", "Thapa"]);
  expect(column("birth")).toEqual(["", "2020-01-02", "2021-03-04"]);
  expect(problem().hidden).toBe(true);
});

test("a single value is left to the browser", () => {
  expect(paste("name-0", "Rai")).toBe(false);
});

test.each([
  ["more lines than files", "name-1", "A\nB\nC", "3 lines for 2"],
  ["more columns than there are", "birth-0", "2020\tF\tP-1", "too wide"],
  ["a heading", "name-0", "Name\tDate of birth\nRai\t2020-01-02", "line 1: Date of birth"],
  ["columns in another order", "name-0", "2020\tRai", "line 1: Rai"],
])("nothing is filled in: %s", (_what, into, text, said) => {
  paste(into, text);
  expect([...column("name"), ...column("birth"), ...column("sex")].join("")).toBe("");
  expect(problem().hidden).toBe(false);
  expect(problem().textContent).toBe(said);
  paste("name-0", "Rai\nThapa");
  expect(problem().hidden).toBe(true);
});

test("empty columns beyond the table do no harm", () => {
  paste("sex-0", "F\t\t\nM\t\t");
  expect(column("sex")).toEqual(["F", "M", ""]);
});
