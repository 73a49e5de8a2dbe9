/** The menus of the navigation open and close without a script; with it, leaving one closes it. */
export function closeMenus(): void {
  document.addEventListener("click", (event) => close((menu) => !menu.contains(event.target as Node)));
  document.addEventListener("focusin", (event) => close((menu) => !menu.contains(event.target as Node)));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const menu = (event.target as Element).closest?.(".nav-menu[open]");
    close(() => true);
    menu?.querySelector("summary")?.focus();
  });
}

function close(isLeft: (menu: Element) => boolean): void {
  for (const menu of document.querySelectorAll<HTMLDetailsElement>(".nav-menu[open]"))
    if (isLeft(menu)) menu.open = false;
}
