/** The token that the portal wants with everything that changes something; signing in changes it. */
export function csrfToken(): string {
  return /(?:^|;\s*)csrftoken=([^;]+)/.exec(document.cookie)?.[1] ?? "";
}

/** Put the present token into a form that may be older than the sign-in. */
export function renewToken(form: HTMLFormElement): void {
  const token = form.elements.namedItem("csrfmiddlewaretoken") as HTMLInputElement | null;
  if (token) token.value = csrfToken();
}
