/**
 * Asks the browser to use or create a passkey before a form marked `data-passkey` is submitted.
 *
 * The portal supplies the options, and receives the credential in the form's field `passkey`.
 */

import { csrfToken, renewToken } from "./csrf";

type Kind = "create" | "get";

/** No passkey was obtained; the message is for the user. */
class NoPasskey extends Error {}

export function bindPasskeys(): void {
  document.addEventListener("submit", (event) => {
    const form = event.target as HTMLFormElement;
    const kind = form.dataset["passkey"] as Kind | undefined;
    if (!kind) return;
    event.preventDefault();
    const options = form.dataset["passkeyOptions"] ?? "";
    void answerAndSend(form, options, kind, () => form.submit());
  });
  // Forms that also work without a passkey have a separate button for it.
  document.addEventListener("click", (event) => {
    const button = (event.target as Element).closest<HTMLButtonElement>("[data-passkey-ask]");
    if (!button?.form) return;
    event.preventDefault();
    const { form } = button;
    const options = button.dataset["passkeyAsk"] ?? "";
    void answerAndSend(form, options, "get", () => form.requestSubmit(button));
  });
}

async function answerAndSend(
  form: HTMLFormElement,
  options: string,
  kind: Kind,
  send: () => void,
): Promise<void> {
  const place = form.querySelector<HTMLElement>("[data-passkey-news]");
  const field = form.elements.namedItem("passkey") as HTMLInputElement;
  // The browser allows only one request at a time.
  if (!place || place.ariaBusy === "true") return;
  place.ariaBusy = "true";
  place.textContent = "";
  try {
    field.value = await askForPasskey(options, kind, place.dataset);
    renewToken(form);
    send();
  } catch (error) {
    if (!(error instanceof NoPasskey)) throw error;
    place.textContent = error.message;
  } finally {
    place.ariaBusy = null;
  }
}

/**
 * The credential as JSON, for the options from `address`. Throws `NoPasskey` with a message from `texts`
 * (unsupported, stopped, unreachable) or from the portal.
 */
async function askForPasskey(address: string, kind: Kind, texts: DOMStringMap): Promise<string> {
  if (!("PublicKeyCredential" in window) || !PublicKeyCredential.parseRequestOptionsFromJSON)
    throw new NoPasskey(texts["unsupported"]);
  const publicKey = await fetchOptions(address, texts);
  try {
    const credential = await (kind === "create"
      ? navigator.credentials.create({
          publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(
            publicKey as PublicKeyCredentialCreationOptionsJSON,
          ),
        })
      : navigator.credentials.get({
          publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(
            publicKey as PublicKeyCredentialRequestOptionsJSON,
          ),
        }));
    if (credential instanceof PublicKeyCredential) return JSON.stringify(credential.toJSON());
  } catch (error) {
    // Cancelled, timed out or no passkey found; browsers do not say which.
    if (!(error instanceof DOMException)) throw error;
  }
  throw new NoPasskey(texts["stopped"]);
}

async function fetchOptions(address: string, texts: DOMStringMap): Promise<unknown> {
  const headers = { "X-CSRFToken": csrfToken(), Accept: "application/json" };
  try {
    const answer = await fetch(address, { method: "POST", headers });
    const body = (await answer.json()) as { publicKey?: unknown; detail?: string };
    if (answer.ok) return body.publicKey;
    throw new NoPasskey(body.detail);
  } catch (error) {
    if (error instanceof NoPasskey) throw error;
    throw new NoPasskey(texts["unreachable"]);
  }
}
