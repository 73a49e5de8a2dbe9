"""Restoring a backup into an empty system.

Files first, then the database, so that no record is ever without its file. Each step can be
repeated: after an interruption, run the same command again.
"""

import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from webportal.accounts.services import end_all_access
from webportal.audit import anchors, runs
from webportal.audit.models import Action, Verification
from webportal.audit.trail import Event, append
from webportal.backups import database, encryption, manifest, repository
from webportal.backups.errors import BackupError
from webportal.backups.manifest import Manifest
from webportal.backups.models import Backup, BackupState
from webportal.database import schema
from webportal.erasure import execution
from webportal.erasure.register import RegisterError
from webportal.network import inbox
from webportal.storage import DamagedFileError, read_verified
from webportal.upkeep import pauses
from webportal.upkeep.models import PauseReason

Say = Callable[[str], object]
_MOST_NAMED = 20


def restore(name: str, say: Say, *, without_files: bool = False) -> Verification:
    """Restore a backup, and return the verification of the audit trail that follows.

    `without_files` restores it although files cannot be restored, which are then missing.

    Raises BackupError if the system is not empty, the backup is damaged or was made by a newer
    release, or a step fails.
    """
    encryption.identities()
    restored = repository.read_manifest(name)
    _check_release(restored)
    is_begun = database.is_restored_from(name, restored.chain)
    if not is_begun:
        database.check_unused()
    say(f"Restoring the backup {name}: {len(restored.files)} files, {restored.signed}")
    _restore_files(restored, say, without_files=without_files)
    if not is_begun:
        # Copying the files took a while; somebody may have started the portal meanwhile.
        database.check_unused()
        say("Restoring the database")
        with repository.opened(manifest.database_name(name), restored.database) as dump:
            database.replace_with(dump)
    schema.migrate(verbosity=0)
    connection.close()
    _restore_anchors(restored, say)
    _finish(restored)
    _erase_again(say)
    anchors.anchor()
    say("Verifying the audit trail and the records")
    return runs.run_now(lambda done, of: None)


def after_recovery(until: datetime, say: Say) -> None:
    """Finish a point-in-time recovery of the database alone, made with any tool.

    Raises BackupError if data that was erased since cannot be erased again.
    """
    schema.migrate(verbosity=0)
    with transaction.atomic():
        end_all_access()
        pauses.pause(PauseReason.OLDER_DATABASE)
        # The next backup may continue one from the time that is lost.
        names = repository.names() if repository.is_configured() else []
        detail = {"until": until.isoformat(), "newest": names[-1] if names else ""}
        append(Event(Action.BACKUP_RESTORED, detail=detail))
    _erase_again(say)


def _check_release(restored: Manifest) -> None:
    """Raise BackupError if the database has migrations that this release does not know."""
    known = {f"{app}.{name}" for app, name in MigrationLoader(None).disk_migrations or ()}
    unknown = sorted(set(restored.migrations) - known)
    if unknown:
        raise BackupError(
            "newer_release",
            f"The backup was made by Chestline {restored.chestline}, whose database this release"
            f" does not know ({', '.join(unknown[:5])}). Install that release or a later one.",
        )


def _restore_files(restored: Manifest, say: Say, *, without_files: bool) -> None:
    faults = []
    for name, stored in restored.inbox.items():
        try:
            with repository.opened(manifest.inbox_name(name), stored) as content:
                inbox.put_back(name, content.read())
        except BackupError as error:
            if error.code == "settings":
                raise
            faults.append(name)
    for number, (key, stored) in enumerate(restored.files.items(), 1):
        if not _is_there(key, stored.sha256):
            try:
                with repository.opened(manifest.file_name(key), stored) as content:
                    default_storage.save(key, File(content))
            except BackupError as error:
                if error.code == "settings":
                    raise
                faults.append(key)
        if number % 1000 == 0:
            say(f"{number} of {len(restored.files)} files")
    for key in restored.lost:
        say(f"missing or damaged already when the backup was made: {key}")
    for key in faults[:_MOST_NAMED]:
        say(f"cannot be restored: {key}")
    if faults and not without_files:
        raise BackupError(
            "files_lost",
            f"{len(faults)} files of the backup are missing or damaged; nothing was restored to the"
            " database. Restore another backup; or, to do without them, add --without-files.",
        )


def _is_there(key: str, sha256: str) -> bool:
    try:
        read_verified(key, sha256)
    except (FileNotFoundError, DamagedFileError):
        return False
    return True


def _restore_anchors(restored: Manifest, say: Say) -> None:
    """Put the anchors of the backup in place; an existing file is kept beside it."""
    if restored.anchors is None:
        say("The backup has no anchors of the audit trail.")
        return
    path: Path = settings.AUDIT_ANCHOR_FILE
    name = manifest.anchors_name(restored.name)
    with repository.opened(name, restored.anchors) as content:
        lines = content.read()
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        if path.read_bytes() == lines:
            return
        aside = path.with_name(f"{path.name}.before-{timezone.now():%Y%m%dT%H%M%S}")
        path.rename(aside)
        say(f"The anchors that were there are kept as {aside}")
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(lines)
    Path(file.name).replace(path)


def _erase_again(say: Say) -> None:
    """Erase what had been erased since the backup was made."""
    try:
        count = execution.reapply(say)
    except RegisterError as error:
        # Everything else is restored; the same command cannot continue, but this one can.
        raise BackupError(
            "register", f"{error} Then run ‘manage.py reapply_erasures’; all else is restored."
        ) from error
    if count:
        say(f"Erased again: {count} erasures were carried out since the backup was made")


@transaction.atomic
def _finish(restored: Manifest) -> None:
    """Close what was open at the time of the backup, and record the restore in the trail."""
    now = timezone.now()
    end_all_access()
    # Files received since the backup may be in the storage, and are the only copies.
    pauses.pause(PauseReason.OLDER_DATABASE)
    # In the snapshot, the backup itself was still running.
    Backup.objects.filter(name=restored.name).update(
        state=BackupState.INCOMPLETE if restored.lost else BackupState.COMPLETE,
        finished_at=now,
        files=len(restored.files) + len(restored.inbox),
        done_files=len(restored.files) + len(restored.inbox),
        lost_files=len(restored.lost),
        bytes=restored.object_bytes,
    )
    detail = {"backup": restored.name, "newest": repository.names()[-1]}
    append(Event(Action.BACKUP_RESTORED, "backup", restored.name, detail=detail))
