"""The register of erasures: what a database that is restored from a backup cannot know.

Each erasure is a small file of ids and hashes with a MAC under AUDIT_KEY, in the storage and in the
repository of the backups.
"""

import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import Storage, default_storage, storages

FOLDER = "erasures"
_FORMAT = 1


class RegisterError(Exception):
    """An entry of the register is not genuine; the message says which."""


@dataclass(frozen=True)
class Registered:
    """One erasure: its id, when it was done, and the ids of what went, by label of the model."""

    id: str
    at: str
    reason: str
    reference: str
    gone: dict[str, list[str]]


def write(entry: Registered) -> None:
    """Write an erasure down in every place. Raises OSError, and what clients of S3 raise."""
    text = json.dumps(asdict(entry) | {"format": _FORMAT}, sort_keys=True)
    content = f"{_mac(text)}\n{text}\n".encode()
    name = f"{FOLDER}/{entry.id}.json"
    for place in _places():
        if place.exists(name):
            place.delete(name)
        place.save(name, ContentFile(content))


def read() -> Iterator[Registered]:
    """All erasures of all places, each once. Raises RegisterError."""
    known: set[str] = set()
    for place in _places():
        try:
            names = place.listdir(FOLDER)[1]
        except FileNotFoundError:
            continue
        for name in sorted(set(names) - known):
            known.add(name)
            with place.open(f"{FOLDER}/{name}") as file:
                yield _parse(name, file.read())


def _places() -> list[Storage]:
    places: list[Storage] = [default_storage]
    if settings.BACKUP_REPOSITORY:
        places.append(storages["backups"])
    return places


def _parse(name: str, content: bytes) -> Registered:
    mac, _, text = content.decode(errors="replace").partition("\n")
    text = text.rstrip("\n")
    if not hmac.compare_digest(mac.encode(), _mac(text).encode()):
        raise RegisterError(
            f"{FOLDER}/{name} was altered, or written with another AUDIT_KEY. Compare it with the"
            " other place (storage and BACKUP_REPOSITORY have the same), and put the genuine one in"
            " its place."
        )
    values: dict[str, Any] = json.loads(text)
    values.pop("format")
    return Registered(**values)


def _mac(text: str) -> str:
    # Under a name of its own, so that nothing else that AUDIT_KEY signs passes for an entry.
    key = settings.AUDIT_KEY.encode()
    return hmac.new(key, b"erasure\n" + text.encode(), hashlib.sha256).hexdigest()
