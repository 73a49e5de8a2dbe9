export const ROWS = "tr.worklist-row";

/**
 * Put the rows of `fresh` into the order of those that are shown; new ones wait, and those that are
 * gone stay, dimmed. Returns whether that changed anything.
 */
export function holdRows(list: HTMLElement, fresh: DocumentFragment): boolean {
  const shown = [...list.querySelectorAll<HTMLElement>(ROWS)];
  const coming = [...fresh.querySelectorAll<HTMLElement>(ROWS)];
  const isSame = shown.length === coming.length && shown.every((row, n) => row.id === coming[n]?.id);
  if (isSame || shown.length === 0) return false;
  const byId = new Map(coming.map((row) => [row.id, row]));
  const held = shown.map((row) => {
    const update = byId.get(row.id);
    if (update) return update;
    const gone = row.cloneNode(true) as HTMLElement;
    gone.classList.add("is-gone");
    return gone;
  });
  const body = fresh.querySelector("tbody");
  if (body) {
    body.replaceChildren(...held);
    return true;
  }
  // Nothing is left of the list: the table stays until it is let go.
  const table = list.querySelector<HTMLElement>(".table-responsive")?.cloneNode(true);
  if (!table) return false;
  fresh.querySelector(".empty-state")?.replaceWith(table);
  fresh.querySelector("tbody")?.replaceChildren(...held);
  return true;
}
