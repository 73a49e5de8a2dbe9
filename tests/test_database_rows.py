"""Inserting rows, where they may exist already."""

import pytest
from django.db import DataError, IntegrityError, connection, transaction
from django.db.models import Model
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.factories import make_patient, make_uploader
from webportal.access.models import AccessEntry, AccessKind
from webportal.accounts.models import GENERAL
from webportal.audit.models import Action, AuditEntry
from webportal.database.rows import insert, insert_in_order, insert_or_get
from webportal.records.models import Patient, Study

pytestmark = pytest.mark.django_db


def make(patient_id: str, name: str = "") -> Patient:
    return Patient(patient_id=patient_id, issuer="A", name=name)


def test_rows_are_inserted_with_all_their_values() -> None:
    rows = [make("1", "Ånd^Ü"), make("2")]
    assert insert(rows) == 2
    for row in rows:
        stored = Patient.objects.get(pk=row.pk)
        for field in Patient._meta.concrete_fields:
            assert getattr(stored, field.attname) == getattr(row, field.attname)


def test_values_of_every_kind_are_inserted_as_they_are() -> None:
    study = Study(
        patient=make_patient(),
        study_instance_uid="1.2.3",
        description="Röntgen “Thorax” \\ 100 % {0}\n",
        performed_at=timezone.now(),
        symptoms=["cough", "fever"],
        department_id=GENERAL,
        created_by=make_uploader(),
    )
    entry = AuditEntry(
        sequence=10**9,
        at=timezone.now(),
        action=Action.BATCH_CREATED,
        detail={"a": [1, 2.5, 1e16, None, {"b": "é"}], "c": None},
        origin=None,
        previous_mac="",
        mac="0" * 64,
    )
    rows: list[Model] = [study, entry]
    for row in rows:
        insert([row])
        stored = type(row)._default_manager.get(pk=row.pk)
        for field in row._meta.concrete_fields:
            if field.name not in ("sort_name", "sort_patient_id"):  # which triggers fill
                assert getattr(stored, field.attname) == getattr(row, field.attname), field.name


@pytest.mark.parametrize("patient_id", ["1" * 1000, "a\0b"])
def test_a_value_that_does_not_fit_is_an_error_and_not_changed(patient_id: str) -> None:
    with pytest.raises(DataError), transaction.atomic():
        insert([make(patient_id)])
    assert not Patient.objects.exists()


def test_an_inserted_row_can_be_changed_and_saved() -> None:
    row = make("1")
    insert([row])
    row.name = "B"
    row.save()
    assert Patient.objects.get().name == "B"


def test_a_row_that_exists_is_an_error_unless_it_may_exist() -> None:
    insert([make("1")])
    with pytest.raises(IntegrityError), transaction.atomic():
        insert([make("1")])
    assert insert([make("1"), make("2")], ignore_conflicts=True) == 1
    assert Patient.objects.count() == 2


def make_study(patient: Patient, uid: str) -> Study:
    return Study(
        patient=patient, study_instance_uid=uid, department_id=GENERAL, created_by=make_uploader()
    )


def test_rows_of_several_models_are_inserted_with_one_message() -> None:
    patient = make("1")
    studies = [make_study(patient, "1.2"), make_study(patient, "1.3")]
    with CaptureQueriesContext(connection) as queries:
        insert_in_order([patient], [], studies)
    assert len(queries) == 1
    assert set(Patient.objects.get().studies.all()) == set(studies)
    studies[0].description = "changed"
    studies[0].save()
    assert Study.objects.get(study_instance_uid="1.2").description == "changed"


def test_a_row_that_cannot_be_inserted_takes_those_before_it_along() -> None:
    insert([make("1")])
    with pytest.raises(IntegrityError), transaction.atomic():
        insert_in_order([make("2")], [make("1")])
    assert [patient.patient_id for patient in Patient.objects.all()] == ["1"]


def test_what_the_database_fills_in_is_left_to_it() -> None:
    lists = {"roles": ["auditor", "it"], "study_ids": [GENERAL], "patient_ids": [], "file_ids": []}
    entry = AccessEntry(kind=AccessKind.LIST, user="a", criteria={"b": "c"}, **lists)
    insert([entry], filled_in=("id", "at"))
    stored = AccessEntry.objects.get(user="a")
    assert stored.pk is not None
    assert stored.at <= timezone.now()
    for field in AccessEntry._meta.concrete_fields:
        if field.name not in ("id", "at"):
            assert getattr(stored, field.attname) == getattr(entry, field.attname), field.name


def test_a_row_is_made_once_and_then_found() -> None:
    key = {"patient_id": "1", "issuer": "A"}
    with CaptureQueriesContext(connection) as queries:
        made, is_new = insert_or_get(make("1", "first"), **key)
    assert is_new
    assert len(queries) == 1
    found, is_new = insert_or_get(make("1", "second"), **key)
    assert (found.pk, found.name, is_new) == (made.pk, "first", False)
