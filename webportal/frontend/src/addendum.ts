import { renewToken } from "./csrf";
import type { Life } from "./life";

/** Addenda have no drafts, so one is submitted only while the portal is responding. */
export function guardAddendum(life: Life): void {
  const form = document.querySelector<HTMLFormElement>("form[data-addendum]");
  const text = form?.querySelector("textarea");
  const state = form?.querySelector<HTMLElement>(".draft-state");
  if (!form || !text || !state) return;
  const reason = form.querySelector<HTMLInputElement>("[name=reason]");
  // A refused addendum is not stored either, although the page shows its text.
  const isRefused = form.hasAttribute("data-refused");
  let isLeaving = false;

  const isUnsigned = (): boolean =>
    [text, reason].some((field) => field && field.value !== (isRefused ? "" : field.defaultValue));
  const prepareToLeave = (): void => {
    isLeaving = true;
    renewToken(form);
  };
  const sign = async (): Promise<void> => {
    const refusal = await refusalFor(form);
    state.textContent = refusal;
    if (refusal) return;
    prepareToLeave();
    form.submit();
    // A submission stopped in the browser must not leave the form locked.
    setTimeout(() => {
      isLeaving = false;
    }, 20_000);
  };
  form.addEventListener("submit", (event) => {
    if (event.submitter?.hasAttribute("formaction")) return prepareToLeave();
    event.preventDefault();
    if (!isLeaving) void sign();
  });
  const onBeforeUnload = (event: BeforeUnloadEvent): void => {
    if (!isLeaving && isUnsigned()) event.preventDefault();
  };
  window.addEventListener("beforeunload", onBeforeUnload, { signal: life.signal });
  life.beforeLeaving(async () => isLeaving || !isUnsigned());
}

async function refusalFor(form: HTMLFormElement): Promise<string> {
  try {
    const answer = await fetch(form.dataset["addendum"] ?? "", {
      redirect: "manual",
      cache: "no-store",
      signal: AbortSignal.timeout(12_000),
    });
    if (answer.type === "opaqueredirect") return form.dataset["signedOut"] ?? "";
    return answer.ok ? "" : (form.dataset["unreachable"] ?? "");
  } catch {
    return form.dataset["unreachable"] ?? "";
  }
}
