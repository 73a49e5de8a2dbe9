"""The register of erasures, which a database restored from a backup does not know about.

Each erasure is a small file with ids, hashes and a MAC under the key of the audit trail, in the
storage and in the backup repository.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import Storage, default_storage, storages

from webportal.audit.epochs import current_key
from webportal.audit.keyring import keyed_hash, signer_of
from webportal.erasure.signals import writing_to_repository
from webportal.records.storage_identity import is_our_storage
from webportal.storage import StorageAwayError, folder_identity

FOLDER = "erasures"
_FORMAT = 1


class RegisterError(Exception):
    """The erasures cannot be repeated; the message says why and what to do."""


@dataclass(frozen=True)
class Registered:
    """A registered erasure: its id, its time, and the erased ids by model label."""

    id: str
    at: str
    reason: str
    reference: str
    gone: dict[str, list[str]]


def write(entry: Registered) -> None:
    """Write an erasure to all copies of the register.

    Raises StorageAwayError if the storage is not mounted, and arbitrary errors if the backup
    repository cannot be written to.
    """
    text = json.dumps(asdict(entry) | {"format": _FORMAT}, sort_keys=True)
    content = f"{keyed_hash('erasure', text.encode(), current_key())}\n{text}\n".encode()
    name = f"{FOLDER}/{entry.id}.json"
    before = folder_identity()
    if not is_our_storage():
        raise StorageAwayError
    default_storage.save(name, ContentFile(content))
    if before is not None and folder_identity() != before:
        raise StorageAwayError
    if settings.BACKUP_REPOSITORY:
        writing_to_repository.send(sender=Registered)
        storages["backups"].save(name, ContentFile(content))


def read() -> Iterator[Registered]:
    """The erasures of all copies, without duplicates. Raises RegisterError."""
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
    if signer_of("erasure", text.encode(), mac) is None:
        raise RegisterError(
            f"{FOLDER}/{name} was altered, or written with a key that is neither AUDIT_KEY nor in"
            " AUDIT_OLD_KEYS. Compare it with the other place (storage and BACKUP_REPOSITORY have"
            " the same), and put the genuine one in its place."
        )
    values: dict[str, Any] = json.loads(text)
    values.pop("format")
    return Registered(**values)
