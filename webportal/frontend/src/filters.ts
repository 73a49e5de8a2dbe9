import type { Life } from "./life";

/** Apply the filters of a form with `data-submit-on-change` as soon as one is chosen. */
export function submitOnChange({ signal }: Life): void {
  for (const form of document.querySelectorAll<HTMLFormElement>("form[data-submit-on-change]")) {
    const fields = form.querySelectorAll<HTMLInputElement | HTMLSelectElement>("[name]");
    for (const button of form.querySelectorAll("button")) button.hidden = true;
    form.addEventListener("change", () => form.requestSubmit());
    form.addEventListener("submit", () => {
      // Keep unset filters out of the URL.
      for (const field of fields) field.disabled = field.value === "";
    });
    // The browser restores the page as it was left, with its fields still disabled.
    const enable = (): void => {
      for (const field of fields) field.disabled = false;
    };
    window.addEventListener("pageshow", enable, { signal });
  }
}
