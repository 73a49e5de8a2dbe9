"""Incomplete backups are reported as such, and nothing else is mistaken for a backup."""

import io
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from tests import dicom_files as files
from tests.backups.conftest import use_repository
from tests.intake.conftest import Send
from webportal.accounts.models import User
from webportal.audit import anchors
from webportal.audit.models import AuditEntry
from webportal.backups import encryption, health, repository, runs, taking, verifying
from webportal.backups.errors import BackupError
from webportal.backups.models import Backup, BackupState
from webportal.intake.held import resolution
from webportal.intake.held.resolution import HeldDecision
from webportal.intake.models import UploadItem
from webportal.notifications.alerts import current_alerts
from webportal.records.models import Radiograph

pytestmark = pytest.mark.django_db(transaction=True)
timezone_now = timezone.now


@pytest.fixture
def stored(send: Send, repository_folder: Path) -> None:
    for seed in (1, 2):
        send(files.dicom(files.phantom(seed=seed)))
    anchors.anchor()


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(BackupError) as caught:
        act()
    return caught.value.code


def backup_command(*arguments: str) -> tuple[int, str]:
    """Exit status and output."""
    output = io.StringIO()
    try:
        call_command("backup", *arguments, stdout=output)
    except SystemExit as end:
        return int(str(end.code)), output.getvalue()
    return 0, output.getvalue()


def alert_codes() -> list[str]:
    return [alert.code for alert in current_alerts()]


@pytest.mark.parametrize("fault", ["missing", "damaged"])
def test_a_missing_or_damaged_file_makes_the_backup_incomplete(
    fault: str, stored: None, storage_folder: Path
) -> None:
    key = Radiograph.objects.order_by("pk")[0].dicom_key
    right = (storage_folder / key).read_bytes()
    if fault == "missing":
        (storage_folder / key).unlink()
    else:
        (storage_folder / key).write_bytes(right[:-1] + b"x")
    status, said = backup_command()
    assert status == 1
    assert "1 files are missing or damaged" in said
    backup = Backup.objects.get()
    assert (backup.state, backup.failure, backup.lost_files) == ("incomplete", "files_lost", 1)
    assert repository.read_manifest(backup.name).lost == [key]
    assert "backup_not_complete" in alert_codes()
    (storage_folder / key).write_bytes(right)
    assert backup_command()[0] == 0
    assert "backup_not_complete" not in alert_codes()


def test_a_file_damaged_since_is_kept_as_backed_up(stored: None, storage_folder: Path) -> None:
    taking.take()
    (storage_folder / Radiograph.objects.order_by("pk")[0].dicom_key).write_bytes(b"damaged")
    assert taking.take().state == "complete"


def test_without_the_anchors_the_backup_is_incomplete(stored: None, settings: Settings) -> None:
    settings.AUDIT_ANCHOR_FILE.unlink()
    backup = taking.take()
    assert (backup.state, backup.failure) == ("incomplete", "no_anchors")


def test_damage_in_the_repository_is_found_with_and_without_the_key(
    stored: None, repository_folder: Path, settings: Settings, identity_file: Path
) -> None:
    name = taking.take().name
    assert backup_command("--verify")[0] == 0
    damaged = min((repository_folder / "files").rglob("*.age"))
    data = bytearray(damaged.read_bytes())
    data[-20] ^= 1
    damaged.write_bytes(data)
    (repository_folder / f"anchors/{name}.age").unlink()
    found = [f"anchors/{name}.age", str(damaged.relative_to(repository_folder))]
    assert sorted(verifying.verify(name).faults) == found
    settings.BACKUP_IDENTITY = identity_file.read_text()
    status, said = backup_command("--verify")
    assert status == 1
    assert all(f"missing or damaged: {each}" in said for each in found)
    assert Backup.objects.get().faults == 2
    assert "backup_not_complete" in alert_codes()


def test_a_backup_for_another_key_is_not_decrypted(stored: None, settings: Settings) -> None:
    name = taking.take().name
    settings.BACKUP_IDENTITY = encryption.new_identity()[0]
    assert len(verifying.verify(name).faults) == 4


def test_a_forged_manifest_is_refused(
    stored: None, repository_folder: Path, settings: Settings
) -> None:
    name = taking.take().name
    settings.AUDIT_KEY = "another"
    assert refusal(lambda: verifying.verify(name)) == "other_system"
    assert refusal(taking.take) == "other_system"
    assert Backup.objects.latest("started_at").failure == "other_system"


def test_a_missing_folder_is_not_created(
    stored: None, repository_folder: Path, settings: Settings, tmp_path: Path
) -> None:
    use_repository(tmp_path / "unmounted", settings)
    with pytest.raises(CommandError, match="does not exist"):
        call_command("backup")
    assert not (tmp_path / "unmounted").exists()
    assert health.why(Backup.objects.get()) == health.FAILURES["repository_away"]


def test_an_emptied_repository_is_not_restarted_unasked(
    stored: None, settings: Settings, tmp_path: Path
) -> None:
    taking.take()
    (tmp_path / "empty").mkdir()
    use_repository(tmp_path / "empty", settings)
    assert refusal(taking.take) == "repository_empty"
    assert taking.take(may_begin_repository=True).state == "complete"


def test_an_older_database_does_not_continue_a_newer_ones_backups(
    stored: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    taking.take()
    # A database that lacks the entry which the newest backup ends with.
    monkeypatch.setattr(AuditEntry.objects, "filter", lambda **_named: AuditEntry.objects.none())
    assert refusal(taking.take) == "other_database"


def test_two_backups_never_run_at_once(stored: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taking, "_WAIT_SECONDS", 1)
    with taking._only_one():
        assert refusal(taking.take) == "busy"
    assert not Backup.objects.exists()


def test_a_backup_left_open_by_a_killed_process_is_closed_by_the_next(stored: None) -> None:
    now = timezone.now()
    Backup.objects.create(name="killed", started_at=now, seen_at=now)
    taking.take()
    killed = Backup.objects.get(name="killed")
    assert (killed.state, killed.failure) == ("failed", "interrupted")


def test_old_backups_are_deleted_with_files_no_other_contains(
    stored: None,
    send: Send,
    uploader: User,
    repository_folder: Path,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    send(files.dicom(files.phantom(seed=3), PatientName="Doe^Jane"))
    settings.BACKUP_KEEP_DAYS = 30
    with monkeypatch.context() as patch:
        patch.setattr(timezone, "now", lambda: timezone_now() - timedelta(days=31))
        old = taking.take()
    held = UploadItem.objects.get(verdict="held")
    key = held.held_key
    resolution.resolve(held, HeldDecision.DISCARD, uploader)
    assert (repository_folder / f"files/{key}.age").exists()
    new = taking.take()
    assert repository.names() == [new.name]
    assert not (repository_folder / f"files/{key}.age").exists()
    assert not (repository_folder / f"databases/{old.name}.dump.age").exists()
    assert verifying.verify(new.name).faults == []


def test_the_scheduler_starts_one_when_due(repository_folder: Path, settings: Settings) -> None:
    assert not runs.is_due()
    settings.BACKUP_EVERY_HOURS = 24
    assert runs.is_due()
    now = timezone.now()
    last = Backup.objects.create(
        name="last", started_at=now, seen_at=now, finished_at=now, state=BackupState.COMPLETE
    )
    assert not runs.is_due()
    Backup.objects.update(started_at=now - timedelta(hours=2))
    assert not runs.is_due()
    Backup.objects.update(state=BackupState.FAILED)
    assert runs.is_due()
    Backup.objects.update(state=BackupState.COMPLETE, started_at=now - timedelta(hours=25))
    assert runs.is_due()
    settings.BACKUP_REPOSITORY = ""
    assert not runs.is_due()
    assert str(last).startswith("last")


def test_the_scheduler_verifies_when_due(stored: None, settings: Settings) -> None:
    assert not runs.is_verification_due()
    backup = taking.take()
    assert runs.is_verification_due()
    verifying.verify(backup.name)
    assert not runs.is_verification_due()
    Backup.objects.update(verified_at=timezone.now() - timedelta(hours=169))
    assert runs.is_verification_due()
    settings.BACKUP_VERIFY_HOURS = 0
    assert not runs.is_verification_due()


def test_hospital_it_is_alerted_of_faults_and_of_no_verification(
    stored: None, repository_folder: Path, settings: Settings
) -> None:
    backup = taking.take()
    assert "backup_unverified" not in alert_codes()
    Backup.objects.update(finished_at=timezone.now() - timedelta(hours=337))
    assert "backup_unverified" in alert_codes()
    settings.BACKUP_VERIFY_HOURS = 0
    assert "backup_unverified" not in alert_codes()
    settings.BACKUP_VERIFY_HOURS = 168
    damaged = next((repository_folder / "files").rglob("*.age"))
    damaged.write_bytes(b"x" * damaged.stat().st_size)
    verifying.verify(backup.name)
    assert "backup_unverified" not in alert_codes()
    # The next backup shares the damaged part.
    assert taking.take().state == BackupState.COMPLETE
    assert "backup_not_complete" in alert_codes()


def test_hospital_it_is_alerted_when_the_last_complete_backup_is_too_old(
    repository_folder: Path, settings: Settings
) -> None:
    assert "backup_late" in alert_codes()
    now = timezone.now()
    Backup.objects.create(
        name="last", started_at=now, seen_at=now, finished_at=now, state=BackupState.COMPLETE
    )
    assert "backup_late" not in alert_codes()
    Backup.objects.update(started_at=now - timedelta(hours=49))
    assert "backup_late" in alert_codes()
    settings.BACKUP_MAX_AGE_HOURS = 0
    assert "backup_late" not in alert_codes()


def test_the_page_and_the_metrics_report_the_last_backup(
    stored: None, it_person: User, sign_in: Callable[[User], Client], settings: Settings
) -> None:
    client = sign_in(it_person)
    assert "There is no complete backup yet." in client.get("/operations").content.decode()
    taking.take()
    now = timezone.now() + timedelta(seconds=1)
    Backup.objects.create(
        name="failed",
        started_at=now,
        seen_at=now,
        finished_at=now,
        state=BackupState.FAILED,
        failure="repository_refuses",
    )
    page = client.get("/operations").content.decode()
    assert "2 files" in page
    assert "Is its disk full?" in page
    assert "chestline_backup_age_seconds" in client.get("/metrics").content.decode()
    settings.BACKUP_REPOSITORY = ""
    assert "BACKUP_REPOSITORY is not set" in client.get("/operations").content.decode()


def test_the_key_is_never_overwritten_and_readable_only_by_its_owner(tmp_path: Path) -> None:
    output = io.StringIO()
    file = tmp_path / "identity"
    call_command("create_backup_key", str(file), stdout=output, stderr=io.StringIO())
    assert output.getvalue().startswith("BACKUP_RECIPIENTS=age1")
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(CommandError, match="cannot be written"):
        call_command("create_backup_key", str(file))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BACKUP_RECIPIENTS", []),
        ("BACKUP_RECIPIENTS", ["age1nonsense"]),
        ("BACKUP_REPOSITORY", ""),
    ],
)
def test_invalid_settings_are_named(
    name: str, value: object, stored: None, settings: Settings
) -> None:
    setattr(settings, name, value)
    with pytest.raises(CommandError, match=name):
        call_command("backup")
