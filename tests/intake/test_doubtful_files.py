"""Uncertain header values are queried, shown, and corrected by a person."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone, translation

from tests import dicom_files as files
from tests.helpers import audit_actions
from tests.intake.conftest import Send
from webportal.accounts.models import User
from webportal.audit.models import AuditEntry
from webportal.intake import blobs
from webportal.intake.claimed_identity import Identity
from webportal.intake.errors import PatientDoubtError
from webportal.intake.held import resolution
from webportal.intake.held.resolution import Correction, HeldDecision
from webportal.intake.models import UploadItem
from webportal.records.models import OWN_ISSUER, Patient, Radiograph, Study

pytestmark = pytest.mark.django_db(transaction=True)


def dicom(seed: int = 0, **elements: Any) -> bytes:
    return files.dicom(files.phantom(seed=seed), **elements)


def misdeclared(name: str, seed: int = 0) -> bytes:
    """A file whose name is in Latin-1 and which says that it is in UTF-8."""
    return dicom(seed, PatientName=name, SpecificCharacterSet="ISO_IR 100").replace(
        b"ISO_IR 100", b"ISO_IR 192"
    )


def test_lost_characters_are_no_evidence_of_identity(send: Send) -> None:
    for seed, name in enumerate(("Müller^Jan", "Möller^Jan")):
        item = send(misdeclared(name, seed), str(seed))
        assert (item.verdict, item.reason_code) == ("held", "letters_in_doubt")
        assert "patient's name" in str(item.reason)
        assert "ISO_IR 192" in str(item.reason)
    assert not Patient.objects.exists()


def test_utf_8_declared_as_latin_1_is_queried(send: Send) -> None:
    data = dicom(PatientName="Müller^Jan", SpecificCharacterSet="ISO_IR 192")
    item = send(data.replace(b"ISO_IR 192", b"ISO_IR 100"))
    assert (item.verdict, item.reason_code) == ("held", "letters_in_doubt")


def test_chinese_under_the_name_of_latin_1_is_queried(send: Send) -> None:
    mark = "~" * 8
    data = dicom(PatientName=mark, SpecificCharacterSet="ISO_IR 100")
    item = send(data.replace(mark.encode(), "张^小东".encode("gbk").ljust(8)))
    assert (item.verdict, item.reason_code) == ("held", "letters_in_doubt")
    assert "ISO_IR 100" in str(item.reason)


@pytest.mark.parametrize("keyword", ["PatientID", "IssuerOfPatientID", "AccessionNumber"])
def test_lost_characters_of_an_identifier(keyword: str, send: Send) -> None:
    elements: dict[str, Any] = {keyword: "Ä-1"}
    data = dicom(SpecificCharacterSet="ISO_IR 100", **elements)
    item = send(data.replace(b"ISO_IR 100", b"ISO_IR 192"))
    assert (item.verdict, item.reason_code) == ("held", "letters_in_doubt")


def test_a_recorded_name_with_lost_characters_equals_no_other(send: Send, uploader: User) -> None:
    Patient.objects.create(patient_id="PHANTOM-1", name="M\ufffdller^Jan")
    item = send(dicom(PatientName="Müller^Jan", SpecificCharacterSet="ISO_IR 100"))
    assert (item.verdict, item.reason_code) == ("held", "patient_mismatch")
    assert resolution.resolve(item, HeldDecision.SAME, uploader).verdict == "accepted"


def corrected(item: UploadItem, by: User, **values: Any) -> UploadItem:
    identity = Identity("PHANTOM-1", name="Müller^Jan", birth_date=date(1970, 1, 1), sex="M")
    return resolution.resolve(item, HeldDecision.CORRECTED, by, Correction(identity, **values))


def test_a_person_enters_the_correct_name(send: Send, uploader: User) -> None:
    item = send(misdeclared("Müller^Jan"))
    resolved = corrected(item, uploader, accession_number="A1", study_date=date(2024, 2, 29))
    assert resolved.verdict == "accepted"
    study = Study.objects.get()
    assert (study.patient.name, study.accession_number) == ("Müller^Jan", "A1")
    assert study.performed_at == datetime(2024, 2, 29, 10, 11, 12, tzinfo=UTC)
    assert audit_actions()[-1] == "file.resolved"
    other = send(misdeclared("Möller^Jan", 1), "other")
    with pytest.raises(PatientDoubtError):
        resolution.resolve(
            other,
            HeldDecision.CORRECTED,
            uploader,
            Correction(Identity("PHANTOM-1", name="Möller^Jan")),
        )
    other.refresh_from_db()
    assert other.verdict == "held"


def test_the_recorded_patient_cannot_be_chosen_if_there_is_none(send: Send, uploader: User) -> None:
    item = send(misdeclared("Müller^Jan"))
    assert resolution.question(item, uploader).recorded is None
    with pytest.raises(PatientDoubtError):
        resolution.resolve(item, HeldDecision.SAME, uploader)
    resolved = resolution.resolve(item, HeldDecision.OTHER, uploader)
    assert resolved.radiograph is not None
    assert resolved.radiograph.study.patient.issuer == OWN_ISSUER


@pytest.mark.parametrize(
    ("elements", "code"),
    [
        ({"StudyDate": "20320810"}, "study_date_in_future"),
        ({"StudyDate": "", "AcquisitionDate": "20320810"}, "study_date_in_future"),
        ({"StudyDate": "20820810"}, "bikram_sambat"),
        ({"StudyDate": "20820810", "PatientBirthDate": "20780102"}, "bikram_sambat"),
        ({"StudyDate": "20260301", "PatientBirthDate": "20780102"}, "bikram_sambat"),
        ({"StudyDate": "20260301", "PatientBirthDate": "20260401"}, "dates_contradict"),
        ({"StudyDate": "19500301", "PatientBirthDate": "19700101"}, "dates_contradict"),
        ({"StudyDate": "20260301", "PatientBirthDate": "18900101"}, "dates_contradict"),
        ({"StudyDate": "18500301", "PatientBirthDate": ""}, "dates_contradict"),
    ],
)
def test_impossible_dates_are_queried(
    elements: dict[str, Any], code: str, send: Send, uploader: User
) -> None:
    item = send(dicom(**elements))
    assert (item.verdict, item.reason_code) == ("held", code)
    assert not Radiograph.objects.exists()
    assert resolution.resolve(item, HeldDecision.OTHER, uploader).verdict == "accepted"
    assert Study.objects.get().performed_at is None


def test_a_birth_too_long_ago_is_queried_without_a_date_of_the_study(
    send: Send, uploader: User
) -> None:
    item = send(dicom(StudyDate="", PatientBirthDate="18500101"))
    assert (item.verdict, item.reason_code) == ("held", "dates_contradict")
    assert "130 years ago" in str(item.reason)
    assert resolution.resolve(item, HeldDecision.OTHER, uploader).verdict == "accepted"
    assert Patient.objects.get().birth_date is None


def born(written: str) -> bytes:
    """A file with this date of birth as it is; pydicom would refuse to write most of these."""
    before = b"\x10\x00\x30\x00DA"
    data = dicom(PatientBirthDate="19700101", PatientAge="041Y", StudyDate="20260301")
    assert before + b"\x08\x0019700101" in data
    value = written.encode().ljust(len(written) + len(written) % 2)
    return data.replace(before + b"\x08\x0019700101", before + bytes([len(value), 0]) + value)


@pytest.mark.parametrize("written", ["19850230", "1985", "01.02.1985", "19850201120000"])
def test_an_invalid_date_of_birth_is_reported_and_never_guessed(
    written: str,
    send: Send,
    uploader: User,
    radiologist: User,
    sign_in: Callable[[User], Client],
) -> None:
    item = send(born(written))
    assert (item.verdict, item.reason_code) == ("held", "birth_date_unreadable")
    assert f"“{written}”" in str(item.reason)
    client = sign_in(uploader)
    assert f"“{written}”" in client.get("/uploads/held").text
    assert f">{written}</td>" in client.get(f"/uploads/held/{item.pk}").text
    identity = resolution.question(item, uploader).claimed
    assert identity.birth_date is None
    correction = Correction(identity, study_date=date(2026, 3, 1))
    decided = resolution.resolve(item, HeldDecision.CORRECTED, uploader, correction)
    assert decided.verdict == "accepted"
    study = Study.objects.get()
    assert study.patient.birth_date is None
    page = sign_in(radiologist).get(f"/studies/{study.pk}").text
    assert re.search(r"41\W+y\b", page)
    assert "date of birth not known, age as the file states it" in page


@pytest.mark.parametrize("written", ["", "00000000", "99999999", "--------", "UNKNOWN", "n/a"])
def test_a_date_of_birth_that_says_nothing_is_absent(written: str, send: Send) -> None:
    assert send(born(written)).verdict == "accepted"
    assert Patient.objects.get().birth_date is None


def test_a_devices_time_zone_may_be_ahead(send: Send) -> None:
    tomorrow = timezone.localdate() + timedelta(days=1)
    assert send(dicom(StudyDate=f"{tomorrow:%Y%m%d}")).verdict == "accepted"
    after = tomorrow + timedelta(days=1)
    assert send(dicom(1, StudyDate=f"{after:%Y%m%d}"), "2").verdict == "held"


def test_the_page_shows_the_doubts_and_accepts_the_correction(
    send: Send, uploader: User, sign_in: Callable[[User], Client]
) -> None:
    item = send(misdeclared("Müller^Jan"))
    browser = sign_in(uploader)
    page = browser.get(f"/uploads/held/{item.pk}").text
    assert "ISO_IR 192" in page
    assert "<details" in page
    values = {
        "decision": "corrected",
        "patient_id": "PHANTOM-1",
        "family_name": "M\ufffdller",
        "given_name": "Jan",
        "birth_date": "1970-01-01",
        "sex": "O",
        "accession_number": "A1",
        "study_date": "2024-02-29",
    }
    again = browser.post(f"/uploads/held/{item.pk}", values).text
    assert "U+FFFD" in again
    done = browser.post(f"/uploads/held/{item.pk}", values | {"family_name": "Müller"}, follow=True)
    assert "recorded as corrected" in done.text
    assert Patient.objects.get().name == "Müller^Jan"


def test_a_contradictory_correction_is_refused(
    send: Send, uploader: User, sign_in: Callable[[User], Client]
) -> None:
    item = send(dicom(StudyDate="20260301", PatientBirthDate="20260401"))
    values = {"decision": "corrected", "patient_id": "PHANTOM-1", "birth_date": "2026-04-01"}
    browser = sign_in(uploader)
    address = f"/uploads/held/{item.pk}"
    page = browser.post(address, values | {"study_date": "2026-03-01"}).text
    assert "contradict each other" in page
    browser.post(address, values | {"study_date": "2026-04-01"})
    assert Study.objects.get().performed_at == datetime(2026, 4, 1, tzinfo=UTC)


def test_a_file_that_would_no_longer_be_accepted_can_be_discarded(
    send: Send, uploader: User, sign_in: Callable[[User], Client]
) -> None:
    """A file that was held before its Patient ID counted as uncertain."""
    item = send(dicom(StudyDate="20820810", PatientID="P-1"))
    data = dicom(StudyDate="20820810", PatientID="P\\1")
    with blobs.writing() as put:
        key = blobs.new_held_key()
        put(key, data)
    UploadItem.objects.filter(pk=item.pk).update(held_key=key)
    browser = sign_in(uploader)
    page = browser.get(f"/uploads/held/{item.pk}").text
    assert "can only be discarded" in page
    assert 'value="same"' not in page
    values = {"decision": "discard", "confirmed": "1"}
    browser.post(f"/uploads/held/{item.pk}", values)
    item.refresh_from_db()
    assert item.verdict == "discarded"


def test_over_rest(send: Send, uploader: User, sign_in: Callable[[User], Client]) -> None:
    item = send(misdeclared("Müller^Jan"))
    browser = sign_in(uploader)
    address = f"/api/v1/held-files/{item.pk}"
    asked = browser.get(address).json()
    assert asked["recorded"] is None
    body: dict[str, Any] = {"decision": "corrected", "correction": {"sex": "M"}}
    refused = browser.post(f"{address}/resolve", body, content_type="application/json")
    assert refused.status_code == 400
    body["correction"]["family_name"] = "Müller"
    taken = browser.post(f"{address}/resolve", body, content_type="application/json")
    assert taken.json()["verdict"] == "accepted"
    patient = Patient.objects.get()
    assert (patient.name, patient.sex) == ("Müller^Jan", "M")
    assert Study.objects.get().accession_number == "A1"


def test_the_reason_states_the_date_converted_from_bikram_sambat(send: Send) -> None:
    item = send(dicom(StudyDate="20820101"))
    assert "2082-01-01" in str(item.reason)
    assert "2025-04-14" in str(item.reason)
    with translation.override("ne"):
        assert "2025-04-14" in str(item.reason)
    born = send(dicom(1, StudyDate="20260301", PatientBirthDate="20720112"), "2")
    assert "2072-01-12" in str(born.reason)
    assert "2015-04-25" in str(born.reason)


def test_a_person_confirms_that_the_dates_are_in_bikram_sambat(send: Send, uploader: User) -> None:
    item = send(dicom(StudyDate="20820101", StudyTime="101112", PatientBirthDate="20720112"))
    assert not Patient.objects.exists()
    resolved = resolution.resolve(item, HeldDecision.BIKRAM_SAMBAT, uploader)
    assert resolved.verdict == "accepted"
    study = Study.objects.get()
    assert study.performed_at == datetime(2025, 4, 14, 10, 11, 12, tzinfo=UTC)
    assert study.patient.birth_date == date(2015, 4, 25)
    entry = AuditEntry.objects.get(action="file.resolved")
    assert entry.detail["decision"] == "bikram_sambat"


def test_a_certain_date_is_never_converted(send: Send, uploader: User) -> None:
    item = send(misdeclared("Müller^Jan"))
    with pytest.raises(PatientDoubtError) as refused:
        resolution.resolve(item, HeldDecision.BIKRAM_SAMBAT, uploader)
    assert refused.value.code == "not_bikram_sambat"
    # The birth is of the common era, and after the day that the study would have.
    other = send(dicom(StudyDate="20820101", PatientBirthDate="20260101"), "2")
    with pytest.raises(PatientDoubtError) as refused:
        resolution.resolve(other, HeldDecision.BIKRAM_SAMBAT, uploader)
    assert refused.value.code == "dates_contradict"
    assert not Study.objects.exists()


def test_a_birth_date_in_the_future_is_never_recorded(send: Send, uploader: User) -> None:
    item = send(dicom(StudyDate="20820101", PatientBirthDate="20720112"))
    resolution.resolve(item, HeldDecision.OTHER, uploader)
    assert Patient.objects.get().birth_date is None


def test_all_files_of_a_device_set_to_that_calendar_are_accepted_at_once(
    send: Send, uploader: User, sign_in: Callable[[User], Client]
) -> None:
    days = {"1": "20820101", "2": "20820102", "3": "20820103"}
    items = [
        send(dicom(seed, PatientID=f"P-{name}", StudyDate=day), name)
        for seed, (name, day) in enumerate(days.items())
    ]
    born_later = send(
        dicom(9, PatientID="P-9", StudyDate="20820101", PatientBirthDate="20260101"), "9"
    )
    browser = sign_in(uploader)
    page = browser.get(f"/uploads/held/{items[0].pk}").text
    assert "2082-01-01 becomes 2025-04-14" in page
    assert "Also for 3 other held files" in page
    values = {"decision": "bikram_sambat", "alike": "1"}
    done = browser.post(f"/uploads/held/{items[0].pk}", values, follow=True).text
    assert "3 files are accepted, with their dates read as Bikram Sambat" in done
    assert "Not decided: 9: " in done
    found = Study.objects.order_by("performed_at").values_list("performed_at", flat=True)
    assert [timezone.localtime(at).date() for at in found] == [
        date(2025, 4, 14),
        date(2025, 4, 15),
        date(2025, 4, 16),
    ]
    born_later.refresh_from_db()
    assert born_later.verdict == "held"


def test_one_correction_covers_all_files_of_the_same_person(
    send: Send, uploader: User, sign_in: Callable[[User], Client]
) -> None:
    def garbled(seed: int, **elements: Any) -> bytes:
        given = {"PatientName": "Müller^Jan", "SpecificCharacterSet": "ISO_IR 100"} | elements
        return dicom(seed, **given).replace(b"ISO_IR 100", b"ISO_IR 192")

    first = send(garbled(0, AccessionNumber="A1"), "1")
    second = send(garbled(1, AccessionNumber="A2", StudyDate="20240301"), "2")
    doubtful = send(garbled(2, StudyDate="20320301"), "3")
    other = send(garbled(3, PatientID="PHANTOM-2"), "4")
    browser = sign_in(uploader)
    page = browser.get(f"/uploads/held/{first.pk}").text
    assert "Correct 2 other held files of this upload as well" in page
    values = {
        "decision": "corrected",
        "alike": "1",
        "patient_id": "PHANTOM-1",
        "family_name": "Müller",
        "given_name": "Jan",
        "accession_number": "A1-corrected",
        "study_date": "2024-02-29",
    }
    done = browser.post(f"/uploads/held/{first.pk}", values, follow=True).text
    assert "2 files are recorded as corrected" in done
    assert "Not decided: 3: " in done
    patient = Patient.objects.get()
    assert patient.name == "Müller^Jan"
    numbers = patient.studies.values_list("accession_number", "performed_at__date")
    assert set(numbers) == {("A1-corrected", date(2024, 2, 29)), ("A2", date(2024, 3, 1))}
    for each in (second, doubtful, other):
        each.refresh_from_db()
    assert [each.verdict for each in (second, doubtful, other)] == ["accepted", "held", "held"]
