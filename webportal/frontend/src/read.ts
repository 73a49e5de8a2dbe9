/** Let the number keys choose a decision, and say so when what was typed is not saved yet. */
export function bindReadKeys(): void {
  const form = document.querySelector<HTMLFormElement>("form[data-read]");
  if (!form) return;
  document.addEventListener("keydown", (event) => {
    const target = event.target as HTMLElement;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (target.closest("textarea, select, input:not([type=radio]):not([type=range])")) return;
    const choices = form.querySelectorAll<HTMLInputElement>("input[name=choice]");
    choices[Number(event.key) - 1]?.click();
  });
  form.addEventListener("input", () => {
    const state = form.querySelector(".draft-state");
    if (state) state.textContent = "Not saved yet …";
  });
}
