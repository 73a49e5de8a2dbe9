"""Identifying the patients of an upload in one table."""

from collections.abc import Callable

import pytest
from django.test import Client

from tests.factories import make_patient, make_radiograph, make_study
from tests.helpers import audit_actions
from webportal.accounts.models import User
from webportal.intake.batches import services
from webportal.intake.models import UploadBatch, UploadItem, Verdict
from webportal.records.choices import ReadingState
from webportal.records.models import OWN_ISSUER, Patient, Study

pytestmark = pytest.mark.django_db

Post = Callable[..., object]


@pytest.fixture
def batch(uploader: User) -> UploadBatch:
    return services.create_batch(uploader)


@pytest.fixture
def client(uploader: User, sign_in: Callable[[User], Client]) -> Client:
    return sign_in(uploader)


@pytest.fixture
def add(batch: UploadBatch) -> Callable[[str], Study]:
    """Put a picture of nobody known into the batch."""

    def added(file_name: str) -> Study:
        number = Patient.objects.count()
        patient = make_patient(
            patient_id=f"TMP-{number}", issuer=OWN_ISSUER, is_temporary=True, name="",
            birth_date=None, sex="",
        )  # fmt: skip
        radiograph = make_radiograph(make_study(patient=patient))
        UploadItem.objects.create(
            batch=batch,
            file_name=file_name,
            sha256=radiograph.original_sha256,
            size=1,
            verdict=Verdict.ACCEPTED,
            radiograph=radiograph,
        )
        return radiograph.study

    return added


def filled_in(lines: dict[Study, dict[str, str]]) -> dict[str, str]:
    empty = dict.fromkeys(
        ("family_name", "given_name", "birth_date", "age", "sex", "patient_id", "issuer"), ""
    )
    data = {"form-TOTAL_FORMS": str(len(lines)), "form-INITIAL_FORMS": str(len(lines))}
    for number, (study, values) in enumerate(lines.items()):
        for name, value in {"study": str(study.pk), **empty, **values}.items():
            data[f"form-{number}-{name}"] = value
    return data


def test_many_images_are_identified_at_once_and_empty_rows_stay(
    client: Client, batch: UploadBatch, add: Callable[[str], Study]
) -> None:
    studies = [add(f"{number}.png") for number in range(48)]
    page = client.get(f"/uploads/{batch.pk}/identify").text
    assert "47.png" in page
    lines = {
        study: {
            "family_name": "Doe",
            "given_name": f"Child {number}",
            "birth_date": "2022-03-04",
            "sex": "female",
            "patient_id": f"P-{number:03}",
        }
        for number, study in enumerate(studies)
    }
    lines[studies[7]] = {}
    answer = client.post(f"/uploads/{batch.pk}/identify", filled_in(lines))
    assert answer.headers["Location"] == f"/uploads/{batch.pk}/identify"
    assert Patient.objects.filter(is_temporary=True).count() == 1
    third = Study.objects.get(pk=studies[3].pk).patient
    assert (third.patient_id, third.name, third.sex) == ("P-003", "Doe^Child 3", "F")
    assert audit_actions(object_id=str(third.pk)) == ["patient.changed"]
    left = client.get(f"/uploads/{batch.pk}/identify").text
    assert "7.png" in left
    assert "47.png" not in left


def test_an_error_in_one_row_does_not_prevent_saving_the_others(
    client: Client, batch: UploadBatch, add: Callable[[str], Study]
) -> None:
    make_patient(patient_id="P-9", issuer="", name="Roe^Other")
    studies = [add(f"{number}.png") for number in range(6)]
    problems = [
        ({"patient_id": "P-1", "family_name": "Doe"}, ""),
        ({"patient_id": "1.23457E+11"}, "is what a spreadsheet made of the number"),
        ({"patient_id": "P-2", "age": "3"}, "Enter the age with its unit"),
        ({"patient_id": "P-2", "age": "999 y"}, "No patient is that old."),
        ({"patient_id": "P-3", "birth_date": "04.03.2022"}, "YYYY-MM-DD"),
        ({"patient_id": "P-9", "family_name": "Doe"}, "has a different name"),
    ]
    lines = {study: values for study, (values, _) in zip(studies, problems, strict=True)}
    answer = client.post(f"/uploads/{batch.pk}/identify", filled_in(lines))
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "1 study identified." in page
    for values, problem in problems[1:]:
        assert problem in page
        assert values["patient_id"] in page
    assert "0.png" not in page
    assert Study.objects.get(pk=studies[0].pk).patient.patient_id == "P-1"
    assert Patient.objects.filter(is_temporary=True).count() == 5


@pytest.mark.parametrize(
    ("written", "kept"),
    [("3 y", "003Y"), ("14mo", "014M"), ("20 days", "020D"), ("3 Years", "003Y"), ("6 w", "006W")],
)
def test_an_age_can_replace_a_date_of_birth(
    written: str, kept: str, client: Client, batch: UploadBatch, add: Callable[[str], Study]
) -> None:
    study = add("a.png")
    lines = {study: {"patient_id": "P-1", "age": written}}
    assert client.post(f"/uploads/{batch.pk}/identify", filled_in(lines)).status_code == 302
    assert study.radiographs.get().patient_age == kept
    assert Study.objects.get(pk=study.pk).patient.birth_date is None


def test_two_rows_may_be_for_one_patient(
    client: Client, batch: UploadBatch, add: Callable[[str], Study]
) -> None:
    one, other = add("a.png"), add("b.png")
    same = {"patient_id": "P-1", "family_name": "Doe"}
    client.post(f"/uploads/{batch.pk}/identify", filled_in({one: same, other: same}))
    assert Patient.objects.count() == 1
    assert Patient.objects.get().studies.count() == 2


def test_a_study_identified_meanwhile_by_somebody_else_is_not_overwritten(
    client: Client, batch: UploadBatch, add: Callable[[str], Study]
) -> None:
    study = add("a.png")
    Patient.objects.update(patient_id="P-5", issuer="", is_temporary=False)
    answer = client.post(f"/uploads/{batch.pk}/identify", filled_in({study: {"patient_id": "P-1"}}))
    assert "Somebody else has identified this study meanwhile" in answer.content.decode()
    assert Patient.objects.get().patient_id == "P-5"


def test_signed_studies_are_excluded(
    client: Client, batch: UploadBatch, add: Callable[[str], Study]
) -> None:
    add("a.png")
    Study.objects.update(reading_state=ReadingState.SIGNED)
    assert "No patients left to identify" in client.get(f"/uploads/{batch.pk}/identify").text
