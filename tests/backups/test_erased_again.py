"""Restoring a backup does not bring back patients who were erased since it was made."""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from tests import dicom_files as files
from tests.backups.conftest import Other, hashes
from tests.conftest import PASSWORD
from tests.intake.conftest import Send
from tests.reading import sign
from webportal.accounts.models import ApiToken, User
from webportal.accounts.services import create_token
from webportal.audit import anchors
from webportal.audit.models import Action, AuditEntry
from webportal.backups import taking
from webportal.backups.models import BackupState
from webportal.erasure import plan as plans
from webportal.inference.models import Job
from webportal.inference.queue import cancel
from webportal.records.models import Patient, Study
from webportal.review.reads.services import Entry
from webportal.upkeep.models import PauseReason, RemovalPause

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_restored_backup_is_erased_again(
    send: Send,
    radiologist: User,
    repository_folder: Path,
    storage_folder: Path,
    other: Other,
) -> None:
    for number in (1, 2):
        send(files.dicom(files.phantom(seed=number), PatientID=f"Z{number}", PatientName="Quux^Z"))
    for job in Job.objects.all():
        cancel(job, radiologist)
    for study in Study.objects.all():
        sign(study, radiologist, Entry(None, "unaided", "none", comment="Clear."), PASSWORD)
    anchors.anchor()
    kept, stays = set(hashes(storage_folder)), Patient.objects.get(patient_id="Z2")
    taking.take()

    patient = Patient.objects.get(patient_id="Z1")
    code = plans.of_patient(patient).digest
    call_command("erase_patient", str(patient.pk), confirm=code, reason="Request 5")
    [entry] = (repository_folder / "erasures").iterdir()
    assert "Quux" not in entry.read_text()
    done = other.manage("restore")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Erased again: 1" in done.stdout
    assert "Restored and intact" in done.stdout
    assert [row["id"] for row in other.rows("records_patient")] == [stays.pk]
    assert len(other.rows("review_read")) == 1
    gone = {key for key in kept if key not in hashes(storage_folder)}
    assert len(gone) == 1
    assert not gone & set(hashes(other.storage))
    [again] = other.rows("erasure_erasure")
    assert (again["state"], again["reason"]) == ("done", "Request 5")
    # Another time there is nothing left to do.
    assert "0 erasures" in other.manage("reapply_erasures").stdout

    entry.write_text(entry.read_text().replace("Request 5", "Request 6"))
    refused = other.manage("reapply_erasures")
    assert refused.returncode == 1
    assert "was altered" in refused.stderr


def test_after_a_recovery_to_a_point_in_time_access_ends_and_backups_go_on(
    storage_folder: Path, repository_folder: Path, radiologist: User
) -> None:
    create_token(radiologist, "export")
    anchors.anchor()
    backup = taking.take()
    said = StringIO()
    call_command("after_recovery", "2026-11-29T13:05:00+00:00", stdout=said)
    assert "Everybody has to sign in again" in said.getvalue()
    assert not ApiToken.objects.exists()
    assert RemovalPause.objects.get().reason == PauseReason.OLDER_DATABASE
    detail = {"until": "2026-11-29T13:05:00+00:00", "newest": backup.name}
    assert AuditEntry.objects.get(action=Action.BACKUP_RESTORED).detail == detail
    assert taking.take().state == BackupState.COMPLETE
