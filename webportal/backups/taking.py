"""Making a backup while the system is in use.

The database is dumped from one snapshot. Every stored file that this snapshot references is in the
storage, and stays there or in the trash until the backup is complete: content never changes under a
key, and the lock keeps the trash from being emptied. The files can therefore be copied afterwards,
however long that takes. Files already in the repository are not read again, including those copied
by an interrupted backup.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO

from django.conf import settings
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from webportal.audit import anchors
from webportal.audit.models import Action, AnchorState, AuditEntry, ChainHead
from webportal.backups import database, encryption, manifest, repository
from webportal.backups.errors import BackupError
from webportal.backups.manifest import Manifest, Stored
from webportal.backups.models import Backup, BackupState
from webportal.intake.blobs import dicom_key
from webportal.intake.models import UploadItem
from webportal.network import inbox
from webportal.storage import DamagedFileError, StorageAwayError, is_storage_away, read_verified
from webportal.storage.locks import lock_backing_up
from webportal.storage.trash import key_in_trash
from webportal.upkeep.slices import named_files
from webportal.version import VERSION

logger = logging.getLogger(__name__)

# Emptying the trash holds the lock only briefly; another backup holds it much longer.
_WAIT_SECONDS = 5
_TELL_SECONDS = 2.0


def take(*, may_begin_repository: bool = False) -> Backup:
    """Make a backup and return its row, which says whether all files could be copied.

    `may_begin_repository` allows an empty repository although there have been backups. Raises
    BackupError if no backup results; the row of the attempt then records that.
    """
    with _only_one():
        _close_interrupted()
        now = timezone.now()
        name = f"{now:%Y-%m-%dT%H-%M-%S}.{now.microsecond // 1000:03}Z"
        backup = Backup.objects.create(name=name, started_at=now, seen_at=now)
        try:
            earlier = _earlier(may_begin_repository=may_begin_repository)
            written = _Taking(backup, earlier).run()
        except BaseException as error:
            backup.state, backup.finished_at = BackupState.FAILED, timezone.now()
            backup.failure = _code_of(error)
            backup.save()
            raise
        if backup.state == BackupState.COMPLETE:
            _delete_old(written)
    return backup


@contextmanager
def _only_one() -> Iterator[None]:
    """Hold the lock on a separate connection whose transaction does nothing else."""
    guard = connection.copy()
    try:
        guard.set_autocommit(False)
        with guard.cursor() as cursor:
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        try:
            lock_backing_up(guard, _WAIT_SECONDS)
        except OperationalError as error:
            raise BackupError("busy", "Another backup is being made.") from error
        yield
        with guard.cursor() as cursor:  # the lock was held until the end
            cursor.execute("SELECT 1")
    except OperationalError as error:
        raise BackupError(
            "database", f"The database does not answer: {error}. Make the backup again."
        ) from error
    finally:
        guard.close()


def _close_interrupted() -> None:
    """Close interrupted backups; holding the lock proves that no other one is running."""
    Backup.objects.filter(state=BackupState.RUNNING).update(
        state=BackupState.FAILED, failure="interrupted", finished_at=timezone.now()
    )


def _earlier(*, may_begin_repository: bool) -> Manifest | None:
    """The latest backup in the repository, None in a new one.

    Raises BackupError if it is not a backup of this database, or is of a later state of it.
    """
    encryption.recipients()
    names = repository.names()
    if not names:
        made = Backup.objects.filter(state__in=[BackupState.COMPLETE, BackupState.INCOMPLETE])
        if made.exists() and not may_begin_repository:
            raise BackupError(
                "repository_empty",
                "BACKUP_REPOSITORY holds no backup, although some have been made. Mount its disk;"
                " or, if it is meant to be a new one, run ‘manage.py backup --begin-repository’.",
            )
        return None
    newest = repository.read_manifest(names[-1])
    sequence, mac = newest.chain
    restored = AuditEntry.objects.filter(action=Action.BACKUP_RESTORED).first()
    is_left_behind = restored is not None and names[-1] <= restored.detail["newest"]
    if not is_left_behind and not AuditEntry.objects.filter(sequence=sequence, mac=mac).exists():
        raise BackupError(
            "other_database",
            f"The backup {names[-1]} in BACKUP_REPOSITORY is of a later state of the database, or"
            " of another one. Restore it with ‘manage.py restore’, or use another repository.",
        )
    return newest


@dataclass(frozen=True)
class _Part:
    """A file to copy: its key, its object, and how to read it if no backup contains it."""

    key: str
    name: str
    sha256: str
    known: Stored | None
    source: Callable[[str, str], bytes | None]

    def read(self) -> bytes | None:
        """The file; None if there is no intact copy."""
        return self.source(self.key, self.sha256)


class _Taking:
    """One backup in progress."""

    def __init__(self, backup: Backup, earlier: Manifest | None) -> None:
        self.backup = backup
        self._known = earlier.files if earlier is not None else {}
        self._known_inbox = earlier.inbox if earlier is not None else {}
        self._told_at = time.monotonic()

    def run(self) -> Manifest:
        """Copy everything, and write the manifest."""
        backup = self.backup
        with database.snapshot() as snapshot:
            head = ChainHead.objects.get(pk=1)
            named, waiting = dict(named_files()), inbox.kept_names()
            applied = MigrationRecorder(connection).applied_migrations()
            last_anchor = AnchorState.objects.get(pk=1).number
            dump = self._dump(snapshot)
        written = Manifest(
            name=backup.name,
            chestline=VERSION,
            migrations=sorted(f"{app}.{name}" for app, name in applied),
            chain=(head.sequence, head.mac),
            database=dump,
            anchors=self._copy_anchors(last_anchor),
        )
        backup.files = len(named) + len(waiting)
        # First, because instances do not wait there for long.
        for key, sha256 in waiting:
            part = _Part(
                key, manifest.inbox_name(key), sha256, self._known_inbox.get(key), _read_received
            )
            self._copy(part, written.inbox, written.lost)
        for key, sha256 in sorted(named.items()):
            part = _Part(key, manifest.file_name(key), sha256, self._known.get(key), _read)
            self._copy(part, written.files, written.lost)
        repository.write_manifest(written)
        is_whole = not written.lost and (written.anchors is not None or not last_anchor)
        backup.state = BackupState.COMPLETE if is_whole else BackupState.INCOMPLETE
        backup.failure = "" if is_whole else ("files_lost" if written.lost else "no_anchors")
        backup.lost_files = len(written.lost)
        backup.bytes = written.object_bytes
        backup.finished_at = timezone.now()
        backup.save()
        return written

    def _dump(self, snapshot: str) -> Stored:
        with database.dumping(snapshot) as process:
            assert process.stdout is not None
            stored = repository.put(
                manifest.database_name(self.backup.name),
                process.stdout,
                lambda: database.check_ended("pg_dump", process),
            )
        self.backup.new_bytes += stored.object_bytes
        return stored

    def _copy_anchors(self, last: int) -> Stored | None:
        """Copy the anchors up to the last one recorded in the snapshot."""
        lines = anchors.lines_until(last)
        if lines is None:
            return None
        stored = repository.put(manifest.anchors_name(self.backup.name), BytesIO(lines))
        self.backup.new_bytes += stored.object_bytes
        return stored

    def _copy(self, part: _Part, copied: dict[str, Stored], lost: list[str]) -> None:
        stored = part.known
        if stored is None or repository.size(part.name) != stored.object_bytes:
            stored = None if stored else repository.known(part.name, part.sha256)
            if stored is None:
                data = part.read()
                if data is None:
                    logger.error("A stored file is missing or damaged: %s", part.key)
                    lost.append(part.key)
                    return
                stored = repository.put(part.name, BytesIO(data))
            self.backup.new_files += 1
            self.backup.new_bytes += stored.object_bytes
        copied[part.key] = stored
        self._tell()

    def _tell(self) -> None:
        self.backup.done_files += 1
        if time.monotonic() - self._told_at > _TELL_SECONDS:
            self._told_at = time.monotonic()
            self.backup.seen_at = timezone.now()
            self.backup.save()


def _read(key: str, sha256: str) -> bytes | None:
    """A stored file, from the trash if it was moved there; None if there is no intact copy.

    Raises StorageAwayError if the storage is unavailable.
    """
    # It may be restored or repaired between two attempts.
    for place in (key, key_in_trash(key), key):
        try:
            return read_verified(place, sha256)
        except (FileNotFoundError, DamagedFileError):
            continue
    if is_storage_away():
        raise StorageAwayError("The storage cannot be read; see STORAGE_URL.")
    return None


def _read_received(name: str, sha256: str) -> bytes | None:
    """A file of the DICOM inbox, from the storage if it has been imported meanwhile."""
    try:
        data = (inbox.folder() / name).read_bytes()
    except FileNotFoundError:
        pass
    else:
        if hashlib.sha256(data).hexdigest() == sha256:
            return data
    held = UploadItem.objects.filter(sha256=sha256).exclude(held_key="").first()
    return _read(held.held_key if held is not None else dicom_key(sha256), sha256)


def _code_of(error: BaseException) -> str:
    if isinstance(error, BackupError):
        return error.code
    if isinstance(error, StorageAwayError):
        return "storage_away"
    if isinstance(error, OSError):
        return "repository_refuses"
    return "interrupted" if isinstance(error, KeyboardInterrupt | SystemExit) else "unexpected"


def _delete_old(newest: Manifest) -> None:
    """Delete backups older than BACKUP_KEEP_DAYS, and objects that no other backup references."""
    if settings.BACKUP_KEEP_DAYS <= 0:
        return
    period = timedelta(days=settings.BACKUP_KEEP_DAYS)
    oldest_kept = f"{timezone.now() - period:%Y-%m-%dT%H-%M-%S}"
    names = repository.names()
    old = [name for name in names if name < oldest_kept and name != newest.name]
    if not old:
        return
    candidates: set[str] = set()
    for name in old:
        gone = repository.read_manifest(name)
        candidates |= {each for each, _ in gone.objects()}
        repository.delete(manifest.manifest_name(name))
    for name in sorted(set(names) - set(old)):
        candidates -= {each for each, _ in repository.read_manifest(name).objects()}
    for each in sorted(candidates):
        repository.delete(each)
    logger.info("Deleted %d backups older than BACKUP_KEEP_DAYS", len(old))
