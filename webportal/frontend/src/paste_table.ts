/**
 * Pastes spreadsheet cells into a table of fields marked `data-paste-table`, from the focused field to
 * the right and downwards. All or nothing: one line too many means a heading, or lines for other files,
 * and each person would end up with somebody else's images.
 */
export function bindPasteTable(): void {
  document.addEventListener("paste", (event) => {
    const field = event.target;
    if (!(field instanceof HTMLInputElement)) return;
    const table = field.closest<HTMLElement>("[data-paste-table]");
    const cells = cellsOf(event.clipboardData?.getData("text/plain") ?? "");
    if (!table || cells.flat().length < 2) return;
    event.preventDefault();
    const places = placesOf(table, field, cells);
    const problem = problemOf(table, places);
    showProblem(table, problem);
    if (problem) return;
    for (const { target, value } of places.flat()) if (target) target.value = value;
  });
}

/**
 * Parses text as copied from a spreadsheet: lines of cells separated by tabs, or by semicolons if there
 * is not a tab. Line breaks within quoted cells become spaces.
 */
export function cellsOf(text: string): string[][] {
  const plain = text.replace(/\r\n?/g, "\n");
  const between = plain.includes("\t") || !plain.includes(";") ? "\t" : ";";
  const cell = new RegExp(`(?:"((?:[^"]|"")*)"|([^${between}\n]*))(${between}|\n|$)`, "gy");
  const lines: string[][] = [[]];
  for (const [, quoted, bare, end] of plain.matchAll(cell)) {
    const value = quoted?.replaceAll('""', '"') ?? bare ?? "";
    lines.at(-1)!.push(value.replace(/\s+/g, " ").trim());
    if (end === "") break;
    if (end === "\n") lines.push([]);
  }
  while (lines.at(-1)?.every((value) => value === "")) lines.pop();
  return lines;
}

interface Place {
  /** The field for the value; undefined outside the table. */
  target: HTMLInputElement | undefined;
  value: string;
}

function placesOf(table: HTMLElement, from: HTMLInputElement, cells: string[][]): Place[][] {
  const lines = [...table.querySelectorAll("[data-line]")].map((line) => [
    ...line.querySelectorAll<HTMLInputElement>("td input"),
  ]);
  const top = lines.findIndex((line) => line.includes(from));
  const left = lines[top]!.indexOf(from);
  return cells.map((values, down) =>
    values.map((value, right) => ({ target: lines[top + down]?.[left + right], value })),
  );
}

/** Why these values do not match the fields that they would go into; "" if they seem to. */
function problemOf(table: HTMLElement, places: Place[][]): string {
  const { tooMany, tooWide, noDate } = table.dataset;
  const fitting = places.filter((line) => line[0]!.target).length;
  if (fitting < places.length) return fillIn(tooMany, { lines: places.length, here: fitting });
  if (places.flat().some(({ target, value }) => !target && value !== "")) return tooWide ?? "";
  for (const [number, line] of places.entries()) {
    const wrong = line.find(
      ({ target, value }) => target?.matches("[data-wants-digits]") && /^\P{Nd}+$/u.test(value),
    );
    if (wrong) return fillIn(noDate, { line: number + 1, value: wrong.value });
  }
  return "";
}

function fillIn(text = "", values: Record<string, string | number>): string {
  return text.replace(/\{(\w+)\}/g, (_whole, name: string) => String(values[name]));
}

function showProblem(table: HTMLElement, problem: string): void {
  const place = table.querySelector<HTMLElement>("[data-paste-problem]");
  if (!place) return;
  place.textContent = problem;
  place.hidden = problem === "";
  if (problem) place.scrollIntoView({ block: "center" });
}
