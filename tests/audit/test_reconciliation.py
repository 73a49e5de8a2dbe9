"""Any change made past the portal contradicts the trail."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from tests import dicom_files
from tests.audit import day
from tests.conftest import PASSWORD
from webportal.accounts.departments import create_department
from webportal.accounts.models import Role, User
from webportal.accounts.services import create_user
from webportal.audit import reconciliation
from webportal.audit.findings import Finding
from webportal.audit.models import Action
from webportal.audit.reconciliation import reconcile
from webportal.audit.trail import Event, append
from webportal.audit.verification import verify
from webportal.intake.batches.services import create_batch
from webportal.intake.pipeline import receive_file
from webportal.records.identity import identity_version
from webportal.records.models import Patient, ReviewOutcome, Study
from webportal.retention import holds
from webportal.review.emergency import services as emergency
from webportal.review.study.case_records import assign_known_patient
from webportal.storage import storage_from_url

pytestmark = pytest.mark.django_db

# What of each table the trail vouches for, apart from the key.
VOUCHED_FOR = {
    "accounts_user": ["roles", "is_active"],
    "accounts_apitoken": ["user_id", "name", "expiry"],
    "records_patient": ["patient_id", "issuer", "name", "birth_date", "sex"],
    "records_study": [
        "patient_id",
        "study_instance_uid",
        "priority",
        "assigned_reader_id",
        "concern",
        "category",
        "probability",
        "purpose",
        "images_differ",
    ],
    "records_radiograph": [
        "study_id",
        "original_sha256",
        "original_key",
        "dicom_sha256",
        "dicom_key",
    ],
    "records_identitycorrection": ["before", "after", "reason", "corrected_by_id"],
    "inference_modelversion": ["version", "package_sha256", "is_active"],
    "inference_prediction": [
        "radiograph_id",
        "model_version_id",
        "category",
        "probability",
        "bacterial_probability",
        "correction",
        "purpose",
        "heatmap",
        "worker",
        "is_current",
    ],
    "review_read": [
        "study_id",
        "reader_id",
        "prediction_id",
        "state",
        "kind",
        "decision",
        "pneumonia",
        "zones",
        "other_findings",
        "marks",
        "measurements",
        "comment",
        "identity",
        "signed_at",
    ],
    "review_addendum": ["read_id", "author_id", "reason", "text", "signed_at"],
    "review_imageview": ["reader_id", "radiograph_id"],
    "records_emergencyaccess": [
        "person_id",
        "patient_id",
        "reason",
        "ends_at",
        "outcome",
        "remark",
        "reviewed_by_id",
    ],
    "retention_legalhold": [
        "patient_id",
        "reason",
        "placed_by_id",
        "lifted_at",
        "lifted_by_id",
    ],
}
# A view that is gone has only to be seen again; a token that is gone opens nothing.
MAY_GO = {"review_imageview", "accounts_apitoken"}
KEYS = {"accounts_apitoken": "digest"}


@pytest.fixture
def spent_day(settings: Settings, tmp_path: Path) -> None:
    settings.STORAGES = settings.STORAGES | {"default": storage_from_url(f"file://{tmp_path}/s")}
    settings.UPLOAD_MIN_FREE_BYTES = 0
    spend_evening(day.spend(tmp_path))
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        for table in VOUCHED_FOR:
            # The owner of the database can do that, and so can whoever takes over from him.
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            cursor.execute(
                "SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'c'",
                [table],
            )
            for (name,) in cursor.fetchall():
                cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")


def spend_evening(people: day.People) -> None:
    """Place holds, and let somebody of another department see a patient in an emergency."""
    kept, other = Study.objects.order_by("created_at")[:2]
    holds.place(kept, "A lawsuit", people.reader)
    holds.lift(holds.place(other.patient, "A complaint", people.uploader), people.it)
    holds.place(other.patient, "The complaint goes on", people.uploader)
    elsewhere = create_department("Elsewhere", people.it)
    outsider, _ = create_user("outsider", "", [Role.RADIOLOGIST], people.it, [elsewhere])
    outsider.set_password(PASSWORD)
    outsider.save()
    access = emergency.begin(outsider, "P0", "Trauma", PASSWORD)
    emergency.begin(outsider, "P2", "Trauma, too", PASSWORD)
    emergency.end(access)
    emergency.review(access, ReviewOutcome.JUSTIFIED, "As the ward says", people.reader)


@contextmanager
def undone() -> Iterator[None]:
    """Take back what was done within."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def execute(statement: str, *values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


def found() -> list[Finding]:
    return reconcile()


def test_normal_use_is_no_finding(spent_day: None) -> None:
    assert [str(finding) for finding in reconcile()] == []
    assert verify().intact
    counts = {table: execute(f"SELECT count(*) FROM {table}")[0][0] for table in VOUCHED_FOR}
    assert all(counts.values()), counts


def test_progress_is_reported(spent_day: None) -> None:
    told: list[tuple[int, int]] = []
    reconcile(lambda done, of: told.append((done, of)))
    assert told[-1][0] == told[-1][1] > 30


def test_a_temporary_patient_who_was_identified_is_no_finding(spent_day: None) -> None:
    uploader = User.objects.get(username="uploader")
    file = BytesIO(dicom_files.png(dicom_files.phantom(seed=9)))
    [item] = receive_file(create_batch(uploader), "9.png", file, uploader)
    assert item.radiograph is not None, item.reason
    study, known = item.radiograph.study, Patient.objects.filter(patient_id="P0").get()
    assert study.patient.is_temporary
    assign_known_patient(study, known, identity_version(known), uploader)
    assert not Patient.objects.filter(pk=study.patient_id).exists()
    assert found() == []


def test_everything_is_detected_in_batches_of_two_as_well(
    spent_day: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciliation, "BATCH", 2)
    assert found() == []
    with undone():
        execute("UPDATE records_patient SET sex = 'F'")
        execute("DELETE FROM review_addendum")
        codes = [(finding.code, finding.object_type) for finding in found()]
    assert codes.count(("row_differs", "patient")) == Patient.objects.count()
    assert codes.count(("row_missing", "addendum")) == 1


def test_a_view_of_a_removed_image_is_no_finding(spent_day: None) -> None:
    with undone():
        execute("DELETE FROM review_imageview")
        assert found() == []


def test_the_very_first_entry_needs_its_row_too() -> None:
    append(Event(Action.PATIENT_CREATED, "patient", uuid.uuid4()), "ann")
    assert [finding.code for finding in found()] == ["row_missing"]


@pytest.mark.parametrize("state", ["signed", "prior", ""])
def test_an_unsigned_study_missing_from_the_worklist_is_a_finding(
    spent_day: None, state: str
) -> None:
    unsigned = "id NOT IN (SELECT study_id FROM review_read WHERE state = 'signed')"
    with undone():
        execute(f"UPDATE records_study SET reading_state = %s WHERE {unsigned}", state)
        assert {finding.values["fields"] for finding in found()} == {"reading_state"}


def test_an_impossible_value_is_detected_and_does_not_stop_verification(spent_day: None) -> None:
    with undone():
        execute("UPDATE inference_prediction SET category = 'x' WHERE is_current")
        assert {"row_differs", "summary_differs"} <= {finding.code for finding in found()}


KINDS: dict[str, Callable[[Any, str], Any]] = {
    "uuid": lambda data, table: uuid.UUID(int=data.draw(st.integers(1, 2**128 - 1))),
    "text": lambda data, table: data.draw(
        st.text(st.characters(codec="ascii", categories=["L", "N"]), max_size=10)
    ),
    "character varying": lambda data, table: KINDS["text"](data, table),
    "boolean": lambda data, table: data.draw(st.booleans()),
    "smallint": lambda data, table: data.draw(st.integers(0, 9)),
    "double precision": lambda data, table: data.draw(st.floats(0, 1)),
    "date": lambda data, table: data.draw(st.dates()),
    "timestamp with time zone": lambda data, table: (
        data.draw(st.datetimes()).isoformat() + "+00:00"
    ),
    "bytea": lambda data, table: data.draw(st.binary(max_size=60)),
    "jsonb": lambda data, table: f'{{"{data.draw(st.integers(0, 99))}": 1}}',
    "ARRAY": lambda data, table: [data.draw(st.sampled_from(["it", "left_lower", "effusion"]))],
}


def columns_of(table: str) -> dict[str, str]:
    rows = execute(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = %s", table
    )
    return dict(rows)


def draw_value(data: Any, table: str, column: str, kind: str, present: Any) -> Any:
    """Another value: that of another row, or one made up."""
    others = execute(f"SELECT DISTINCT {column}::text FROM {table} WHERE {column} IS NOT NULL")
    # The day was short: another row's moment is within what clocks may differ by.
    is_moment = kind == "timestamp with time zone"
    if others and not is_moment and data.draw(st.booleans()):
        return data.draw(st.sampled_from([text for (text,) in others]))
    return KINDS[kind](data, table)


def damage(data: Any) -> str:
    """Do something to one row, and say what."""
    table = data.draw(st.sampled_from(sorted(VOUCHED_FOR)))
    key = KEYS.get(table, "id")
    keys = [k for (k,) in execute(f"SELECT {key}::text FROM {table} ORDER BY 1")]
    if table == "review_read":
        keys = [k for (k,) in execute("SELECT id::text FROM review_read WHERE state <> 'draft'")]
    chosen = data.draw(st.sampled_from(keys))
    how = data.draw(st.sampled_from(["change", "change", "change", "delete", "forge"]))
    kinds = columns_of(table)
    if how == "delete":
        assume(table not in MAY_GO)
        execute(f"DELETE FROM {table} WHERE {key}::text = %s", chosen)
        return f"deleted from {table}"
    if how == "forge":
        made_up = {
            name: "gen_random_uuid()"
            for name, kind in kinds.items()
            if name == "id" and kind == "uuid"
        }
        unique = {
            "accounts_user": {"username": "'x' || gen_random_uuid()"},
            "accounts_apitoken": {"digest": "gen_random_uuid()::text", "token_key": "'forged'"},
            "records_patient": {"patient_id": "gen_random_uuid()::text"},
            "records_study": {"study_instance_uid": "gen_random_uuid()::text"},
            "records_radiograph": {
                "sop_instance_uid": "gen_random_uuid()::text",
                "original_sha256": "repeat('f', 64)",
            },
            "inference_modelversion": {
                "version": "gen_random_uuid()::text",
                "package_sha256": "repeat('f', 64)",
                "is_active": "false",
            },
            "inference_prediction": {"job_id": "gen_random_uuid()", "is_current": "false"},
            "review_read": {"revision": "99", "amends_id": "NULL"},
            "review_imageview": {"id": "DEFAULT", "reader_id": "gen_random_uuid()"},
        }.get(table, {})
        values = made_up | unique
        names = [name for name in kinds if values.get(name) != "DEFAULT"]
        taken = ", ".join(values.get(name, f'"{name}"') for name in names)
        listed = ", ".join(f'"{name}"' for name in names)
        execute(
            f"INSERT INTO {table} ({listed}) SELECT {taken} FROM {table} WHERE {key}::text = %s",
            chosen,
        )
        return f"forged in {table}"
    column = data.draw(st.sampled_from(VOUCHED_FOR[table]))
    [(before,)] = execute(f"SELECT {column}::text FROM {table} WHERE {key}::text = %s", chosen)
    value = draw_value(data, table, column, kinds[column], before)
    kind = "text[]" if kinds[column] == "ARRAY" else kinds[column]
    execute(f"UPDATE {table} SET {column} = %s::{kind} WHERE {key}::text = %s", value, chosen)
    [(after,)] = execute(f"SELECT {column}::text FROM {table} WHERE {key}::text = %s", chosen)
    assume(before != after)
    return f"{table}.{column}: {before} -> {after}"


def test_every_change_made_past_the_portal_is_detected(spent_day: None) -> None:
    @settings(
        max_examples=60,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @given(st.data())
    def check(data: Any) -> None:
        with undone():
            try:
                with transaction.atomic():
                    what = damage(data)
            except DatabaseError:
                assume(False)
            assert found(), what

    check()
