"""A passkey without a browser: what an authenticator answers, made by fido2's own classes."""

import hashlib
import json
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from fido2.cose import ES256
from fido2.utils import websafe_encode
from fido2.webauthn import (
    AttestationObject,
    AttestedCredentialData,
    AuthenticatorData,
    CollectedClientData,
)

ORIGIN = "http://localhost"
PRESENT_AND_VERIFIED = AuthenticatorData.FLAG.UP | AuthenticatorData.FLAG.UV


class SoftPasskey:
    """One passkey for localhost, with its counter."""

    def __init__(self, counter: int = 0) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.credential_id = uuid4().bytes
        self.counter = counter

    def make(self, options: dict[str, Any], origin: str = ORIGIN) -> str:
        """The answer to options for making a passkey."""
        public = ES256.from_cryptography_key(  # type: ignore[no-untyped-call]
            self.key.public_key()
        )
        credential = AttestedCredentialData.create(bytes(16), self.credential_id, public)
        data = self._data(PRESENT_AND_VERIFIED | AuthenticatorData.FLAG.AT, credential)
        client = self._client("webauthn.create", options, origin)
        return self._answer(
            {
                "clientDataJSON": websafe_encode(client),
                "attestationObject": websafe_encode(AttestationObject.create("none", data, {})),
            }
        )

    def answer(
        self,
        options: dict[str, Any],
        origin: str = ORIGIN,
        flags: AuthenticatorData.FLAG = PRESENT_AND_VERIFIED,
    ) -> str:
        """The answer to options for asking for a passkey."""
        if self.counter:
            self.counter += 1
        client = self._client("webauthn.get", options, origin)
        data = self._data(flags)
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        return self._answer(
            {
                "clientDataJSON": websafe_encode(client),
                "authenticatorData": websafe_encode(data),
                "signature": websafe_encode(signature),
            }
        )

    def _data(
        self, flags: AuthenticatorData.FLAG, credential: AttestedCredentialData | None = None
    ) -> AuthenticatorData:
        host = hashlib.sha256(b"localhost").digest()
        data: AuthenticatorData = AuthenticatorData.create(
            host, flags, self.counter, credential or b""
        )
        return data

    def _client(self, kind: str, options: dict[str, Any], origin: str) -> CollectedClientData:
        challenge = options["publicKey"]["challenge"]
        return CollectedClientData.create(kind, challenge, origin)

    def _answer(self, response: dict[str, str]) -> str:
        name = websafe_encode(self.credential_id)
        whole = {"id": name, "rawId": name, "type": "public-key", "response": response}
        return json.dumps(whole | {"clientExtensionResults": {}})
