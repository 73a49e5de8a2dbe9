"""Moving a study to the right patient: found by search, compared, and confirmed."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tests import dicom_files as files
from tests.conftest import PASSWORD
from tests.factories import make_patient, make_radiograph, make_study
from tests.helpers import audit_actions
from tests.intake.conftest import Send, batch, send, storage_folder  # noqa: F401
from tests.reading import sign
from webportal.accounts.models import Role, User
from webportal.records.identity import identity_version
from webportal.records.models import OWN_ISSUER, IdentityCorrection, Patient, Study
from webportal.records.services import change_patient
from webportal.review.reads.reservation import reserve
from webportal.review.reads.services import Entry

pytestmark = pytest.mark.django_db

MAY = datetime(2024, 5, 6, 12, tzinfo=UTC)
CHECKED = "I have checked this"


@pytest.fixture
def study() -> Study:
    """A study of May 2024 recorded for a girl of four years."""
    patient = make_patient(
        patient_id="H-1", name="Phantom^Eva", birth_date=date(2020, 1, 2), sex="F"
    )
    radiograph = make_radiograph(make_study(patient=patient, performed_at=MAY))
    # What the factory writes into its files is not what these tests are about.
    radiograph.media_type = "image/png"
    radiograph.save(update_fields=["media_type"])
    return radiograph.study


@pytest.fixture
def sister() -> Patient:
    """The patient whose study it is."""
    patient = make_patient(
        patient_id="H-2", name="Phantom^Ada", birth_date=date(2021, 3, 4), sex="F"
    )
    make_study(patient=patient)
    return patient


@pytest.fixture
def browser(uploader: User, sign_in: Callable[[User], Client]) -> Client:
    return sign_in(uploader)


def address_of(study: Study) -> str:
    return reverse("review:study-patient", args=[study.pk])


def move(study: Study, to: Patient, **fields: Any) -> dict[str, Any]:
    shown = identity_version(Patient.objects.get(pk=to.pk))
    return {"step": "move", "to": str(to.pk), "shown": shown} | fields


def compared(browser: Client, study: Study, to: Patient) -> str:
    return browser.get(address_of(study), {"to": str(to.pk)}).text


def patient_of(study: Study) -> Patient:
    return Study.objects.get(pk=study.pk).patient


def test_the_right_patient_is_found_by_name_or_id_and_never_named_in_a_url(
    study: Study, sister: Patient, browser: Client
) -> None:
    make_patient(patient_id="H-3", name="Other^One")
    for text in ("phantom ada", "H-2"):
        answer = browser.post(address_of(study), {"step": "search", "text": text})
        assert text not in answer.headers["Location"]
        page = browser.get(answer.headers["Location"])
        assert page.context["found"] == [sister]
        assert "3 y" in page.text, "the age at the study"
        assert f"?to={sister.pk}" in page.text
    # The patient it is already recorded for is not offered.
    answer = browser.post(address_of(study), {"step": "search", "text": "phantom"}, follow=True)
    assert answer.context["found"] == [sister]
    answer = browser.post(address_of(study), {"step": "search", "text": "nobody"}, follow=True)
    assert "No other patient matches" in answer.text


def test_both_patients_are_shown_side_by_side_before_the_move(
    study: Study, sister: Patient, browser: Client
) -> None:
    page = browser.get(address_of(study), {"to": str(sister.pk)})
    rows = {row.label: row.values for row in page.context["comparison"].rows}
    assert rows == {
        "Name": ["Phantom, Eva", "Phantom, Ada"],
        "Date of birth": ["2020-01-02", "2021-03-04"],
        "Age at the study": ["4 y", "3 y"],
        "Sex": ["Female", "Female"],
        "Patient ID": ["H-1", "H-2"],
        "Issuer": ["TEST", "TEST"],
        "Studies here": ["1", "1"],
    }
    assert page.context["comparison"].contradictions == []
    assert CHECKED not in page.text
    assert patient_of(study).patient_id == "H-1"
    assert audit_actions(object_id=sister.pk) == ["patient.viewed"]
    answer = browser.post(address_of(study), move(study, sister))
    assert answer.headers["Location"] == reverse("records:patient", args=[sister.pk])
    assert patient_of(study) == sister


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"sex": "M"}, "The sex differs"),
        ({"birth_date": date(2024, 5, 7)}, "born after the study"),
        ({"birth_date": date(1850, 1, 1)}, "impossibly old"),
        ({"birth_date": date(1983, 1, 1)}, "The ages at the study are far apart: 4 y and 41 y."),
    ],
)
def test_contradictions_are_shown_and_must_be_confirmed(
    other: dict[str, Any], words: str, study: Study, browser: Client
) -> None:
    patient = make_patient(**{"sex": "F", "birth_date": date(2020, 5, 5)} | other)
    page = compared(browser, study, patient)
    assert words in page
    assert CHECKED in page
    refused = browser.post(address_of(study), move(study, patient))
    assert "Check what contradicts it" in refused.text
    assert patient_of(study) != patient
    browser.post(address_of(study), move(study, patient, checked="on"))
    assert patient_of(study) == patient


def test_the_identity_in_the_file_is_shown_and_compared_with_the_other_patient(
    send: Send,  # noqa: F811
    browser: Client,
) -> None:
    item = send(files.dicom(files.phantom()), "one.dcm")
    assert item.radiograph is not None
    study = item.radiograph.study
    other = make_patient(patient_id="H-9", name="Doe^Jane", sex="O")
    page = browser.get(address_of(study), {"to": str(other.pk)})
    said = "\n".join(page.context["comparison"].contradictions)
    assert "The file itself contains a different Patient ID: PHANTOM-1." in said
    assert "The file itself contains a different name" in said
    assert "The file says" in page.text


def test_another_reader_of_the_study_is_named_first(
    study: Study,
    sister: Patient,
    browser: Client,
    radiologist: User,
    sign_in: Callable[[User], Client],
) -> None:
    reserve(study, radiologist)
    for page in (browser.get(address_of(study)).text, compared(browser, study, sister)):
        assert "radiologist is reading this study" in page
    assert "is reading this study" not in compared(sign_in(radiologist), study, sister)


def test_a_record_changed_since_the_comparison_is_compared_again(
    study: Study, sister: Patient, browser: Client, uploader: User
) -> None:
    before = move(study, sister)
    change_patient(sister, {"name": "Phantom^Ida"}, uploader)
    answer = browser.post(address_of(study), before)
    assert "has changed since it was shown" in answer.text
    assert "Phantom, Ida" in answer.text
    assert patient_of(study) != sister
    assert browser.post(address_of(study), move(study, sister)).status_code == 302


def test_a_new_patient_is_compared_and_then_recorded(study: Study, browser: Client) -> None:
    values = {
        "patient_id": "H-7",
        "family_name": "Phantom",
        "given_name": "Uma",
        "birth_date": "2020-02-03",
        "sex": "F",
    }
    page = browser.post(address_of(study), values | {"step": "name"})
    assert "New patient" in page.text
    assert not Patient.objects.filter(patient_id="H-7").exists()
    hidden = dict(page.context["named"].data.items()) | {"step": "move"}
    browser.post(address_of(study), hidden)
    patient = patient_of(study)
    assert (patient.patient_id, patient.name) == ("H-7", "Phantom^Uma")
    assert (patient.birth_date, patient.sex) == (date(2020, 2, 3), "F")


def test_a_known_id_opens_that_patient(study: Study, sister: Patient, browser: Client) -> None:
    values = {"patient_id": "H-2", "issuer": "TEST", "family_name": "Phantom", "given_name": "Ada"}
    answer = browser.post(address_of(study), values)
    assert answer.headers["Location"].endswith(f"?to={sister.pk}")
    answer = browser.post(address_of(study), values | {"given_name": "Eva"})
    assert "has a different name" in answer.text
    assert f"?to={sister.pk}" in answer.text
    answer = browser.post(address_of(study), values | {"patient_id": "H-1"})
    assert "is recorded for this patient already" in answer.text
    assert patient_of(study).patient_id == "H-1"


def test_an_unknown_patient_is_not_found(study: Study, browser: Client) -> None:
    for to in ("nonsense", "00000000-0000-4000-8000-000000000000"):
        assert browser.get(address_of(study), {"to": to}).status_code == 404


def test_after_signing_an_uploader_is_told_who_can_move_it(
    study: Study, sister: Patient, browser: Client, radiologist: User
) -> None:
    sign(study, radiologist, Entry(None, "unaided", "none"), PASSWORD)
    assert "Only a radiologist can move it" in browser.get(address_of(study)).text
    answer = browser.post(address_of(study), move(study, sister, reason="Mixed up"))
    assert answer.status_code == 403
    assert patient_of(study) != sister


def test_after_signing_a_radiologist_moves_it_with_a_reason(
    study: Study,
    sister: Patient,
    radiologist: User,
    make_user: Callable[..., User],
    sign_in: Callable[[User], Client],
) -> None:
    sign(study, radiologist, Entry(None, "unaided", "none"), PASSWORD)
    browser = sign_in(make_user(Role.RADIOLOGIST, username="corrector"))
    assert address_of(study) in browser.get(reverse("review:study", args=[study.pk])).text
    assert "Moving it is a correction" in compared(browser, study, sister)
    assert "This field is required" in browser.post(address_of(study), move(study, sister)).text
    assert patient_of(study) != sister
    browser.post(address_of(study), move(study, sister, reason="Mixed up"))
    assert patient_of(study) == sister
    correction = IdentityCorrection.objects.get()
    assert (correction.reason, correction.before["patient_id"]) == ("Mixed up", "H-1")
    page = browser.get(reverse("review:study", args=[study.pk])).text
    assert "Signed as Phantom, Eva" in page


def test_completing_a_temporary_patient_after_signing_requires_a_reason(
    radiologist: User, sign_in: Callable[[User], Client]
) -> None:
    patient = make_patient(patient_id="TMP-1", issuer=OWN_ISSUER, name="", is_temporary=True)
    study = make_radiograph(make_study(patient=patient)).study
    sign(study, radiologist, Entry(None, "unaided", "none"), PASSWORD)
    browser, values = sign_in(radiologist), {"patient_id": "H-7", "family_name": "Phantom"}
    page = browser.post(address_of(study), values)
    assert "Reason for the correction" in page.text
    assert patient_of(study).is_temporary
    # The phantom's file names the temporary ID without its issuer, as another's would be.
    confirmed = {"step": "move", "reason": "Now known", "checked": "on"}
    browser.post(address_of(study), values | confirmed)
    assert patient_of(study).patient_id == "H-7"
    assert IdentityCorrection.objects.get().reason == "Now known"
