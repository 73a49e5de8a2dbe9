"""Of somebody who was erased nothing is left anywhere, and all that is left is intact."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, transaction

from tests.audit.test_verification import behind_its_back
from tests.erasure.whole_patient import WORDS, Planted
from webportal.access.models import AccessEntry
from webportal.accounts.models import Session
from webportal.audit import anchors, runs
from webportal.audit.models import AuditEntry
from webportal.erasure import execution
from webportal.erasure import plan as plans
from webportal.erasure.models import Erasure
from webportal.erasure.rows import delete
from webportal.intake.held import resolution
from webportal.intake.held.resolution import HeldDecision
from webportal.intake.models import UploadBatch, UploadItem
from webportal.records.models import Patient, Radiograph, Study
from webportal.review.models import Read

pytestmark = pytest.mark.django_db(transaction=True)


def everything_kept() -> Iterator[tuple[str, str]]:
    """Every row of every table as text, and what sessions hold."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT t::text FROM "{table}" AS t')
            yield from ((table, text) for (text,) in cursor.fetchall())
    for session in Session.objects.all():
        yield "decoded session", str(session.get_decoded())


def left_in_database() -> set[str]:
    return {
        f"{table}: {word}"
        for table, text in everything_kept()
        for word in WORDS
        if word in text.casefold()
    }


def left_in_files(folder: Path) -> set[str]:
    return {
        f"{path.relative_to(folder)}: {word}"
        for path in folder.rglob("*")
        if path.is_file()
        for word in WORDS
        if word in f"{path.name} {path.read_bytes().decode('latin-1')}".casefold()
    }


def findings() -> list[str]:
    verdict = runs.run_now(lambda done, of: None).verdict
    assert verdict is not None
    return [str(each) for each in verdict.findings]


def command(*arguments: str, **options: Any) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out, **options)
    return out.getvalue()


def decide_on_held(planted: Planted) -> None:
    for item in UploadItem.objects.filter(verdict="held"):
        resolution.resolve(item, HeldDecision.DISCARD, planted.people.uploader)


def erase(patient: Patient) -> str:
    code = plans.of_patient(patient).digest
    return command("erase_patient", str(patient.pk), confirm=code, reason="Art. 17, request 5")


def test_nothing_is_left_of_the_patient(
    planted: Planted, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    anchors.anchor()
    assert findings() == []
    tables = {each.partition(":")[0] for each in left_in_database()}
    assert tables >= {
        "records_patient",
        "records_study",
        "records_studysearch",
        "records_identitycorrection",
        "intake_uploaditem",
        "intake_uploadbatch",
        "review_read",
        "review_addendum",
        "retention_legalhold",
        "network_receivedinstance",
        "audit_auditentry",
        "access_accessentry",
        "decoded session",
    }
    folders = {each.partition("/")[0] for each in left_in_files(tmp_path / "storage")}
    assert folders == {"dicom", "held", "trash", "quarantine"}
    assert len(left_in_files(tmp_path / "inbox")) > 1

    # One of the held files may be somebody else's: nobody but a person can tell.
    with pytest.raises(CommandError, match="Decide on the held files first"):
        erase(planted.patient)
    decide_on_held(planted)
    said = erase(planted.patient)
    assert "Erased, as entry" in said
    assert left_in_database() == set()
    assert left_in_files(tmp_path) == set()
    assert not any(word in caplog.text.casefold() for word in WORDS)
    anchors.anchor()
    assert findings() == []


def test_what_is_others_stays(planted: Planted) -> None:
    decide_on_held(planted)
    before = {
        model: set(model._default_manager.values_list("pk", flat=True))
        for model in (Patient, Study, Radiograph, Read, UploadItem, UploadBatch)
    }
    plan = plans.of_patient(planted.patient)
    accesses = AccessEntry.objects.count()
    erase(planted.patient)
    for model, keys in before.items():
        left = set(model._default_manager.values_list("pk", flat=True))
        assert left == keys - plan.rows.get(model, set())
    assert AccessEntry.objects.count() == accesses
    batch = UploadBatch.objects.get(pk=planted.batch.pk)
    assert (batch.name, list(batch.case_records)) == ("", ["doe.dcm"])
    assert [item.file_name for item in batch.items.all()] == ["doe.dcm"]
    assert str(Session.objects.get().get_decoded()["searches"].values()) == "dict_values(['Doe'])"
    searched = [each.criteria for each in AccessEntry.objects.exclude(criteria={})]
    assert {"text": "Doe"} in searched
    assert sum("erased_by" in each for each in searched) == 2


def test_everybody_can_be_erased_one_after_the_other(planted: Planted) -> None:
    while patient := Patient.objects.order_by("-created_at").first():
        erasure = Erasure.objects.create(
            patient=patient.pk,
            reason="All",
            state="confirmed",
            requested_at=patient.created_at,
            decided_at=patient.created_at,
        )
        assert execution.carry_out(erasure, again=True).state == "done"
        assert findings() == []
    for model in (Study, Radiograph, Read):
        assert not model._default_manager.exists()


# What somebody with the owner's rights can do, and what the verification reports.
BY_HAND = (
    ("SET detail = '{}' WHERE action = 'user.created'", "was altered"),
    (
        "SET detail = jsonb_build_object('erased_by', (SELECT max(sequence) FROM audit_auditentry"
        " WHERE action = 'records.erased')) WHERE action = 'user.created'",
        "details of the entry are gone",
    ),
    (
        "SET detail = jsonb_set(detail, '{removed,study}', '[]') WHERE action = 'records.erased'",
        "was altered",
    ),
)


def test_what_is_blanked_or_deleted_by_hand_is_found(planted: Planted) -> None:
    decide_on_held(planted)
    erase(planted.patient)
    for statement, found in BY_HAND:
        with transaction.atomic():
            behind_its_back(f"UPDATE audit_auditentry {statement}")
            assert any(found in each for each in findings())
            transaction.set_rollback(True)
    study = Study.objects.filter(radiographs__jobs__isnull=False, reads=None).first()
    assert study is not None
    entry = AuditEntry.objects.get(action="study.created", study_id=study.pk)
    plan = plans.of_study(study)
    with transaction.atomic():
        delete(plan.rows)
    found = f"{study.pk}: according to the trail it was created, but it is missing"
    assert any(found in each for each in findings())
    # That an erasure is named makes it no better.
    last = AuditEntry.objects.filter(action="records.erased").latest("sequence").sequence
    behind_its_back(
        f"UPDATE audit_auditentry SET detail = '{{\"erased_by\": {last}}}'"
        f" WHERE sequence = {entry.sequence}"
    )
    assert any(found in each for each in findings())
