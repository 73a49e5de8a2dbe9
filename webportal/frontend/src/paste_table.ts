/**
 * Pasting cells of a spreadsheet into a table of fields marked `data-paste-table`: they go from the
 * field on to the right and downwards. What reaches beyond the table is left out.
 */
export function bindPasteTable(): void {
  document.addEventListener("paste", (event) => {
    const field = event.target;
    if (!(field instanceof HTMLInputElement)) return;
    const table = field.closest("[data-paste-table]");
    const cells = cellsOf(event.clipboardData?.getData("text/plain") ?? "");
    if (!table || (cells.length === 1 && cells[0]!.length === 1)) return;
    event.preventDefault();
    fill(linesOf(table), field, cells);
  });
}

/** The cells of text as spreadsheets copy it: lines, with tabs between cells. */
export function cellsOf(text: string): string[][] {
  const lines = text.replace(/\r\n?/g, "\n").replace(/\n$/, "").split("\n");
  return lines.map((line) => line.split("\t").map((cell) => cell.trim()));
}

function linesOf(table: Element): HTMLInputElement[][] {
  const lines = [...table.querySelectorAll("[data-line]")];
  return lines.map((line) => [...line.querySelectorAll<HTMLInputElement>("td input")]);
}

function fill(lines: HTMLInputElement[][], from: HTMLInputElement, cells: string[][]): void {
  const top = lines.findIndex((line) => line.includes(from));
  const left = lines[top]!.indexOf(from);
  for (const [down, values] of cells.entries()) {
    for (const [right, value] of values.entries()) {
      const field = lines[top + down]?.[left + right];
      if (field) field.value = value;
    }
  }
}
