/** The CSRF token, which signing in changes. */
export function csrfToken(): string {
  return /(?:^|;\s*)csrftoken=([^;]+)/.exec(document.cookie)?.[1] ?? "";
}

/** Put the current token into a form that may be older than the sign-in. */
export function renewToken(form: HTMLFormElement): void {
  const token = form.elements.namedItem("csrfmiddlewaretoken") as HTMLInputElement | null;
  if (token) token.value = csrfToken();
}
