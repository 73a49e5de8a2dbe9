"""The keys of the audit trail: AUDIT_KEY, and its predecessors in AUDIT_OLD_KEYS.

The chain's head names the key for new entries, so that every process uses the same one whatever its
own AUDIT_KEY is, and one that lacks this key appends nothing. `webportal.audit.epochs` determines
the key of each entry.
"""

import hashlib
import hmac
from dataclasses import dataclass, field
from functools import lru_cache

from django.conf import settings

ID_DIGITS = 16


class MissingKeyError(Exception):
    """A key of the trail is needed and missing; the message says what to do."""

    def __init__(self, key_id: str) -> None:
        self.key_id = key_id
        super().__init__(
            f"The audit trail goes on under the key {key_id}, which is neither AUDIT_KEY nor in"
            " AUDIT_OLD_KEYS, so that nothing can be recorded. Give this process the settings that"
            " the others have, and start it again. If the key is lost, see"
            " docs/deployment/keys.md."
        )


@dataclass(frozen=True)
class Key:
    """A key of the trail, with the name by which entries and findings refer to it."""

    id: str
    secret: bytes = field(repr=False)

    @classmethod
    def of(cls, secret: str) -> "Key":
        """The key with this secret; its name does not reveal it."""
        return _key(secret)

    @property
    def text(self) -> bytes:
        """The secret as people know it, without the line feed that a file may add to it."""
        return self.secret.removesuffix(b"\n")


@lru_cache(maxsize=64)
def _key(secret: str) -> Key:
    name = hmac.new(secret.encode(), b"name of an audit key", hashlib.sha256).hexdigest()
    return Key(name[:ID_DIGITS], secret.encode())


def configured() -> Key:
    """AUDIT_KEY."""
    return Key.of(settings.AUDIT_KEY)


def ring() -> dict[str, Key]:
    """All keys of this process by name, AUDIT_KEY first."""
    keys = [configured()]
    for line in settings.AUDIT_OLD_KEYS.splitlines():
        if line.strip():
            # A key that came from a file with a line feed at its end includes it.
            keys += [Key.of(line), Key.of(f"{line}\n")]
    return {key.id: key for key in keys}


def keyed_hash(purpose: str, content: bytes, key: Key) -> str:
    """Return the HMAC of content in hexadecimal, for data kept outside the chain.

    It depends on the purpose, so that nothing signed for one purpose is valid for another.
    """
    return hmac.new(key.secret, purpose.encode() + b"\n" + content, hashlib.sha256).hexdigest()


def signer_of(purpose: str, content: bytes, signature: str) -> Key | None:
    """The key with which a `keyed_hash` was made; None if it is not one of ours."""
    for key in ring().values():
        if hmac.compare_digest(
            signature.encode(errors="replace"), keyed_hash(purpose, content, key).encode()
        ):
            return key
    return None
