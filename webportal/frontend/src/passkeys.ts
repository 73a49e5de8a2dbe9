/**
 * Asks the browser for a passkey, or to make one, before a form marked `data-passkey` is sent.
 *
 * The portal gives the options, and takes the browser's answer in the form's field `passkey`.
 */

import { csrfToken, renewToken } from "./csrf";

type Kind = "create" | "get";

/** Why there is no passkey, in words for the person. */
export class NoPasskey extends Error {}

export function bindPasskeys(): void {
  document.addEventListener("submit", (event) => {
    const form = event.target as HTMLFormElement;
    const kind = form.dataset["passkey"] as Kind | undefined;
    if (!kind) return;
    event.preventDefault();
    void answerAndSend(form, kind);
  });
}

async function answerAndSend(form: HTMLFormElement, kind: Kind): Promise<void> {
  const button = form.querySelector("button");
  const place = form.querySelector<HTMLElement>("[data-passkey-news]");
  const field = form.elements.namedItem("passkey") as HTMLInputElement;
  if (button) button.disabled = true;
  if (place) place.textContent = "";
  try {
    const texts = place?.dataset ?? {};
    field.value = await askForPasskey(form.dataset["passkeyOptions"] ?? "", kind, texts);
    renewToken(form);
    form.submit();
  } catch (error) {
    if (!(error instanceof NoPasskey)) throw error;
    if (place) place.textContent = error.message;
  } finally {
    if (button) button.disabled = false;
  }
}

/**
 * The browser's answer as JSON, to options that `address` gives. Throws `NoPasskey`, with a text of
 * `texts` (unsupported, stopped, unreachable) or what the portal says.
 */
export async function askForPasskey(
  address: string,
  kind: Kind,
  texts: DOMStringMap,
  body?: FormData,
): Promise<string> {
  if (!("PublicKeyCredential" in window) || !PublicKeyCredential.parseRequestOptionsFromJSON)
    throw new NoPasskey(texts["unsupported"]);
  const publicKey = await fetchOptions(address, texts, body);
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
    // The person stopped it, it took too long, or there is none; the browser does not say which.
    if (!(error instanceof DOMException)) throw error;
  }
  throw new NoPasskey(texts["stopped"]);
}

async function fetchOptions(
  address: string,
  texts: DOMStringMap,
  body: FormData | undefined,
): Promise<unknown> {
  const headers = { "X-CSRFToken": csrfToken(), Accept: "application/json" };
  try {
    const answer = await fetch(address, { method: "POST", headers, body: body ?? null });
    const told = (await answer.json()) as { publicKey?: unknown; detail?: string };
    if (answer.ok) return told.publicKey;
    throw new NoPasskey(told.detail);
  } catch (error) {
    if (error instanceof NoPasskey) throw error;
    throw new NoPasskey(texts["unreachable"]);
  }
}
