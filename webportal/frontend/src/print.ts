/** Let buttons marked `data-print` print the page. */
export function bindPrintButtons(): void {
  document.addEventListener("click", (event) => {
    if (event.target instanceof Element && event.target.closest("[data-print]")) window.print();
  });
}
