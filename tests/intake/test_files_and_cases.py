"""Files sent with case records: the patient and study of each."""

from dataclasses import asdict
from typing import Any

import pytest

from tests import dicom_files as files
from tests.intake.case_record import RECORD
from tests.intake.conftest import Send
from webportal.accounts.models import User
from webportal.intake.batches import services
from webportal.intake.cases import case_record, lookup
from webportal.intake.cases.case_record import CaseRecord
from webportal.intake.models import IdentityMode
from webportal.records.choices import Priority
from webportal.records.models import Patient, Study


@pytest.mark.django_db
def test_a_form_assigns_all_files_to_one_patient_and_study(send: Send, uploader: User) -> None:
    batch = services.create_batch(
        uploader, identity_mode=IdentityMode.FORM, records={case_record.FORM_KEY: RECORD}
    )
    for seed in range(3):
        assert send(files.png(files.phantom(seed=seed)), f"{seed}.png", to=batch).radiograph
    patient, study = Patient.objects.get(), Study.objects.get()
    assert study.radiographs.count() == 3
    assert study.performed_at is not None
    given: dict[str, Any] = asdict(RECORD)
    assert [name for name, value in given.items() if not value] == [], "tests/intake/case_record.py"
    kept = vars(study) | vars(patient) | {"study_date": study.performed_at.date()}
    # What is lost is in `_study` or `_patient` of webportal/intake/pipeline/identify.py.
    assert {name: kept.get(name) for name in given} == given


@pytest.mark.django_db
def test_a_sheet_assigns_each_file_its_own(send: Send, uploader: User) -> None:
    records = {
        "a.png": CaseRecord("P-1", name="Doe^Jane"),
        "b.png": CaseRecord("P-1", name="Doe^Jane"),
        "c.png": CaseRecord("P-2", priority=Priority.STAT),
    }
    batch = services.create_batch(uploader, identity_mode=IdentityMode.SHEET, records=records)
    for seed, name in enumerate(records):
        send(files.png(files.phantom(seed=seed)), f"folder/{name}", to=batch)
    assert Study.objects.get(patient__patient_id="P-1").radiographs.count() == 2
    assert Study.objects.get(patient__patient_id="P-2").priority == Priority.STAT


@pytest.mark.django_db
@pytest.mark.parametrize(
    "data",
    [files.png(files.phantom()), files.dicom(files.phantom(), PatientID="")],
    ids=["png", "dicom without Patient ID"],
)
def test_a_file_without_a_line_is_refused(data: bytes, send: Send, uploader: User) -> None:
    batch = services.create_batch(
        uploader, identity_mode=IdentityMode.SHEET, records={"a.png": RECORD}
    )
    item = send(data, "b.png", to=batch)
    assert (item.verdict, item.reason_code) == ("refused", "not_in_sheet")


@pytest.mark.django_db
def test_one_line_never_applies_to_two_files(send: Send, uploader: User) -> None:
    batch = services.create_batch(
        uploader, identity_mode=IdentityMode.SHEET, records={"a.png": RECORD}
    )
    send(files.png(files.phantom(seed=1)), "x/a.png", to=batch)
    item = send(files.png(files.phantom(seed=2)), "y/a.png", to=batch)
    assert (item.verdict, item.reason_code) == ("refused", "ambiguous_sheet_line")
    assert send(files.png(files.phantom(seed=1)), "x/a.png", to=batch).verdict == "accepted"


@pytest.mark.django_db
def test_a_dicom_file_of_a_different_patient_than_the_form_is_refused(
    send: Send, uploader: User
) -> None:
    batch = services.create_batch(
        uploader, identity_mode=IdentityMode.FORM, records={case_record.FORM_KEY: RECORD}
    )
    item = send(files.dicom(files.phantom(), PatientID="P-2"), to=batch)
    assert (item.verdict, item.reason_code) == ("refused", "patient_contradiction")


@pytest.mark.django_db
def test_the_form_adds_what_a_dicom_file_cannot_say(send: Send, uploader: User) -> None:
    batch = services.create_batch(
        uploader, identity_mode=IdentityMode.FORM, records={case_record.FORM_KEY: RECORD}
    )
    data = files.dicom(files.phantom(), PatientID="P-1", AccessionNumber="FROM-FILE")
    assert send(data, to=batch).verdict == "accepted"
    study = Study.objects.get()
    assert (study.accession_number, study.indication) == ("FROM-FILE", "Cough for a week")


@pytest.mark.django_db
def test_a_duplicate_assigned_to_another_patient_says_so(send: Send, uploader: User) -> None:
    data = files.png(files.phantom())
    send(data)
    batch = services.create_batch(
        uploader, identity_mode=IdentityMode.FORM, records={case_record.FORM_KEY: RECORD}
    )
    item = send(data, to=batch)
    assert item.verdict == "duplicate"
    assert "a different patient" in str(item.reason)
    assert not Patient.objects.filter(patient_id="P-1").exists()


@pytest.mark.django_db
@pytest.mark.parametrize("names", [("a.png", "A.png"), ("at\u202f3.png", "at 3.png")])
@pytest.mark.parametrize("order", [1, -1])
def test_two_names_that_look_alike_never_share_a_line(
    send: Send, uploader: User, names: tuple[str, str], order: int
) -> None:
    records = {lookup.file_key(names[0]): CaseRecord("P-1")}
    batch = services.create_batch(uploader, identity_mode=IdentityMode.SHEET, records=records)
    first, second = (
        send(files.png(files.phantom(seed=seed)), name, to=batch)
        for seed, name in enumerate(names[::order])
    )
    assert first.radiograph
    assert second.radiograph is None
    assert second.reason_code == "ambiguous_sheet_line"


@pytest.mark.django_db
def test_a_name_keeps_invisible_characters_except_direction_overrides(
    send: Send, uploader: User
) -> None:
    batch = services.create_batch(uploader)
    kept = send(files.png(files.phantom()), "3.15\u202fPM \u0930\u094d\u200d\u092f.png", to=batch)
    assert kept.file_name == "3.15\u202fPM \u0930\u094d\u200d\u092f.png"
    turned = send(files.png(files.phantom(seed=1)), "a\u202egnp.exe\x00\n.png", to=batch)
    assert turned.file_name == "agnp.exe.png"
