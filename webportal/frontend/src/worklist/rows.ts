export const ROWS = "tr.worklist-row";

/**
 * Give the rows of `fresh` the order of the displayed ones, without new rows and with removed ones kept,
 * dimmed. Returns whether that changed anything.
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
  // The list is now empty: keep the table while it is in use.
  const table = list.querySelector<HTMLElement>(".table-responsive")?.cloneNode(true);
  if (!table) return false;
  fresh.querySelector(".empty-state")?.replaceWith(table);
  fresh.querySelector("tbody")?.replaceChildren(...held);
  return true;
}
