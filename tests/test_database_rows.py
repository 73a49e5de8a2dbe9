"""Inserting rows, where they may exist already."""

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from webportal.database.rows import insert, insert_or_get
from webportal.records.models import Patient

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


def test_a_row_is_made_once_and_then_found() -> None:
    key = {"patient_id": "1", "issuer": "A"}
    with CaptureQueriesContext(connection) as queries:
        made, is_new = insert_or_get(make("1", "first"), **key)
    assert is_new
    assert len(queries) == 1
    found, is_new = insert_or_get(make("1", "second"), **key)
    assert (found.pk, found.name, is_new) == (made.pk, "first", False)
