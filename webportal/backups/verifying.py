"""Verifying a backup: whether it is complete and unchanged."""

from collections.abc import Callable
from dataclasses import dataclass, field

from django.utils import timezone

from webportal.backups import database, encryption, manifest, repository
from webportal.backups.errors import BackupError
from webportal.backups.manifest import Stored
from webportal.backups.models import Backup

Progress = Callable[[int, int], object]


@dataclass
class BackupVerdict:
    """The result of verifying a backup.

    Args:
        name: the name of the backup.
        signed: the key that signed its manifest, in words.
        objects: the number of its objects in the repository.
        decrypted: whether their content was compared, too, which needs the identity.
        faults: the names of the objects that are missing or damaged.
        lost: the stored files that the backup has never had.
    """

    name: str
    signed: str
    objects: int
    decrypted: bool
    faults: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)


def newest() -> str:
    """The name of the latest backup; raises BackupError if there is none."""
    names = repository.names()
    if not names:
        raise BackupError("no_backup", "There is no backup in the repository.")
    return names[-1]


def verify(name: str, progress: Progress = lambda done, of: None) -> BackupVerdict:
    """Compare every object of a backup with its checksum.

    If the identity is available, each object is decrypted, and its content compared.

    Raises BackupError if the manifest is missing or not genuine.
    """
    verified = repository.read_manifest(name)
    objects = verified.objects()
    verdict = BackupVerdict(
        name, verified.signed, len(objects), encryption.has_identity(), lost=verified.lost
    )
    for number, (each, stored) in enumerate(objects, 1):
        is_dump = each == manifest.database_name(name)
        if not (_holds(each, stored, is_dump) if verdict.decrypted else _is_there(each, stored)):
            verdict.faults.append(each)
        progress(number, len(objects))
    Backup.objects.filter(name=name).update(verified_at=timezone.now(), faults=len(verdict.faults))
    return verdict


def _is_there(name: str, stored: Stored) -> bool:
    return repository.is_intact(name, stored)


def _holds(name: str, stored: Stored, is_dump: bool) -> bool:
    try:
        with repository.opened(name, stored) as content:
            return not is_dump or database.is_readable(content)
    except BackupError as error:
        if error.code == "settings":
            raise
        return False
