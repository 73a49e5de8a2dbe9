"""Erasing a patient takes the exports with their studies along."""

from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from pytest_django.fixtures import Settings

from tests.research.test_exports import ask, made, opened, rows_of, sign, study_with
from webportal.accounts.models import User
from webportal.audit.models import Action, AuditEntry
from webportal.erasure import execution, services
from webportal.erasure import plan as plans
from webportal.erasure.models import ErasureState
from webportal.records.models import Patient, Study
from webportal.research import building
from webportal.research.models import ExportedStudy, Removal, ResearchExport, ResearchExportState

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _own_inbox(settings: Settings, tmp_path: Path) -> None:
    settings.DICOM_INBOX = tmp_path / "inbox"


def erase(patient: Patient) -> None:
    digest = plans.of_patient(patient).digest
    erasure = services.confirm_by_command(patient.pk, digest, "asked for", "")
    assert execution.carry_out(erasure).state == ErasureState.DONE


def signed(number: int, reader: User) -> Study:
    study = study_with(number)
    sign(study, reader, comment="")
    return study


def test_an_export_with_a_study_of_the_patient_goes(researcher: User, radiologist: User) -> None:
    gone, other = signed(1, radiologist), signed(2, radiologist)
    export, second = made(researcher), made(researcher)
    key = export.key
    erase(gone.patient)
    for each in (export, second):
        each.refresh_from_db()
        assert (each.state, each.removal, each.key) == (
            ResearchExportState.REMOVED,
            Removal.ERASURE,
            "",
        )
    assert not default_storage.exists(key)
    assert set(ExportedStudy.objects.values_list("study", flat=True)) == {other.pk}
    removals = AuditEntry.objects.filter(action=Action.RESEARCH_REMOVED)
    assert {entry.object_id for entry in removals} == {str(export.pk), str(second.pk)}


def test_an_export_without_the_patient_stays(researcher: User, radiologist: User) -> None:
    signed(1, radiologist)
    export = made(researcher)
    late = signed(2, radiologist)
    erase(late.patient)
    export.refresh_from_db()
    assert export.state == ResearchExportState.READY
    assert default_storage.exists(export.key)


def test_a_study_erased_while_the_export_is_made_is_not_in_it(
    researcher: User, radiologist: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, _other = signed(1, radiologist), signed(2, radiologist)
    export = ask(researcher)
    finish = building._finish

    def erase_first(*args: Any) -> None:
        monkeypatch.setattr(building, "_finish", finish)
        erase(gone.patient)
        finish(*args)

    monkeypatch.setattr(building, "_finish", erase_first)
    assert building.make_waiting() == 2
    export = ResearchExport.objects.get(pk=export.pk)
    assert (export.state, export.attempts) == (ResearchExportState.READY, 2)
    assert len(rows_of(opened(export), "studies.csv")) == 1
    assert default_storage.listdir("research")[1] == [export.key.removeprefix("research/")]
