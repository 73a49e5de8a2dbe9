"""The report of a signed study: content, access, and notification."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import BytesIO

import numpy as np
import pytest
from django.test import Client
from django.utils import timezone
from PIL import Image
from pypdf import PdfReader
from pytest_django.fixtures import Settings

from tests.factories import make_patient, make_prediction, make_radiograph, make_study, overwrite
from tests.helpers import audit_actions
from webportal.accounts.models import Role, User
from webportal.notifications import run
from webportal.notifications.models import Notification, NotificationKind
from webportal.records.choices import ReadingState
from webportal.records.models import IdentityCorrection, Study
from webportal.records.services import change_patient
from webportal.review.models import (
    Addendum,
    Decision,
    Pneumonia,
    Read,
    ReadKind,
    ReadState,
    SecondReading,
)
from webportal.review.reads.marks import Mark
from webportal.review.reports.key_image import MARK_COLOUR

pytestmark = pytest.mark.django_db


@pytest.fixture
def referrer(make_user: Callable[..., User]) -> User:
    return make_user(Role.REFERRER)


@pytest.fixture
def study(referrer: User) -> Study:
    patient = make_patient(name="Doe^Jane", patient_id="P-1", birth_date="2022-03-04", sex="F")
    return make_study(patient=patient, referrer=referrer, indication="Cough for a week")


def sign(study: Study, reader: User, ago: int = 300, **fields: object) -> Read:
    """A read that was signed so many seconds ago and ends the reading."""
    Study.objects.filter(pk=study.pk).update(reading_state=ReadingState.SIGNED)
    defaults = {
        "decision": Decision.UNAIDED,
        "pneumonia": Pneumonia.DEFINITE,
        "zones": ["left_lower"],
        "other_findings": ["effusion"],
        "comment": "Consolidation behind the heart.",
        "signed_at": timezone.now() - timedelta(seconds=ago),
    }
    return Read.objects.create(
        study=study, reader=reader, state=ReadState.SIGNED, **defaults | fields
    )


def words_of_pdf(client: Client, study: Study) -> tuple[int, str]:
    answer = client.get(f"/studies/{study.pk}/report.pdf")
    assert answer.status_code == 200
    pages = PdfReader(BytesIO(answer.content)).pages
    return len(pages), "\n".join(page.extract_text() for page in pages)


def test_the_report_contains_the_findings_and_nothing_from_the_model(
    client: Client, study: Study, radiologist: User, referrer: User
) -> None:
    make_prediction(make_radiograph(study), "unlikely", probability=0.01)
    read = sign(study, radiologist)
    Addendum.objects.create(
        read=read, author=radiologist, reason="Later look", text="No change.",
        signed_at=timezone.now(),
    )  # fmt: skip
    client.force_login(referrer)
    page = client.get(f"/studies/{study.pk}/report").text
    pages, pdf = words_of_pdf(client, study)
    assert pages == 1
    for text in (page, pdf):
        for words in (
            "Doe, Jane",
            "P-1",
            "2022-03-04",
            "Cough for a week",
            "Definite pneumonia",
            "Left lower zone",
            "Pleural effusion",
            "Consolidation behind the heart.",
            "Later look",
            "No change.",
            "Signed by radiologist",
        ):
            assert words in text
        assert "unlikely" not in text.lower()
    assert audit_actions(study_id=study.pk) == ["report.opened"] * 2


def test_there_is_no_report_while_the_signature_can_be_taken_back(
    client: Client, study: Study, radiologist: User, referrer: User
) -> None:
    sign(study, radiologist, ago=5)
    client.force_login(referrer)
    for ending in ("", ".pdf", "/key-image.png"):
        assert client.get(f"/studies/{study.pk}/report{ending}").status_code == 404
    assert audit_actions(study_id=study.pk) == []


def test_there_is_no_report_while_another_read_is_due(
    client: Client, study: Study, radiologist: User, referrer: User
) -> None:
    sign(study, radiologist)
    SecondReading.objects.create(study=study, reason="drawn", due=ReadKind.SECOND)
    Study.objects.update(reading_state=ReadingState.UNREAD)
    client.force_login(referrer)
    assert client.get(f"/studies/{study.pk}/report").status_code == 404
    assert not client.get("/reports").context["page"].object_list


def test_a_clinician_can_open_only_reports_on_their_own_patients(
    client: Client, study: Study, radiologist: User, make_user: Callable[..., User]
) -> None:
    sign(study, radiologist)
    client.force_login(make_user(Role.REFERRER, username="other"))
    for ending in ("", ".pdf", "/key-image.png"):
        assert client.get(f"/studies/{study.pk}/report{ending}").status_code == 403
    assert "Doe" not in client.get("/reports").text
    assert client.get(f"/patients/{study.patient_id}").status_code == 403


def test_a_clinician_is_notified_with_a_link_to_the_list(
    client: Client, study: Study, radiologist: User, referrer: User
) -> None:
    sign(study, radiologist)
    run.create_due()
    (told,) = Notification.objects.filter(recipient=referrer)
    assert (told.kind, told.studies) == (NotificationKind.REPORTS_READY, 1)
    client.force_login(referrer)
    assert client.get(f"/notifications/{told.pk}").headers["Location"] == "/reports"
    assert "Doe, Jane" in client.get("/reports").text
    assert client.get("/").headers["Location"] == "/reports"


def test_the_key_image_is_the_marked_one_with_its_marks(
    client: Client, study: Study, radiologist: User
) -> None:
    make_radiograph(study, size=(300, 200))
    marked = make_radiograph(study, size=(400, 320))
    box = Mark(marked.pk, "pneumonia", 100, 150, 80, 60)
    sign(study, radiologist, marks=[box.as_json()])
    client.force_login(radiologist)
    answer = client.get(f"/studies/{study.pk}/report/key-image.png")
    pixels = np.asarray(Image.open(BytesIO(answer.content)))
    assert pixels.shape == (400, 320, 3)
    drawn = np.all(pixels == MARK_COLOUR, axis=2)
    rows, columns = np.nonzero(drawn)
    assert (rows.min(), columns.min()) == (150, 100)
    assert (rows.max(), columns.max()) == (210, 180)
    assert not drawn[160:200, 110:170].any()


def test_a_report_is_available_even_if_its_image_is_lost(
    client: Client, study: Study, radiologist: User
) -> None:
    overwrite(make_radiograph(study).dicom_key, b"something else")
    sign(study, radiologist)
    client.force_login(radiologist)
    assert client.get(f"/studies/{study.pk}/report/key-image.png").status_code == 404
    assert "Definite pneumonia" in words_of_pdf(client, study)[1]


def test_it_says_that_the_read_was_amended(client: Client, study: Study, radiologist: User) -> None:
    wrong = sign(study, radiologist)
    sign(
        study,
        radiologist,
        amends=wrong,
        revision=1,
        reason="Wrong side",
        pneumonia=Pneumonia.NONE,
        zones=[],
    )
    client.force_login(radiologist)
    page = client.get(f"/studies/{study.pk}/report").text
    assert "No pneumonia" in page
    assert "Definite pneumonia" not in page
    assert "it replaces an earlier read" in page


def test_the_case_record_names_the_clinician_only_where_one_has_an_account(
    client: Client, study: Study, uploader: User, referrer: User
) -> None:
    client.force_login(uploader)
    address = f"/studies/{study.pk}/case-record"
    values = {"referrer": str(referrer.pk), "priority": "2"}
    assert client.post(address, values).status_code == 302
    assert "Send the report to" in client.get(address).text
    assert client.post(address, values | {"referrer": str(uploader.pk)}).status_code == 200
    Study.objects.update(referrer=None)
    referrer.delete()
    assert "Send the report to" not in client.get(address).text


def test_it_says_when_it_was_signed_to_the_minute_with_the_time_zone(
    client: Client, study: Study, radiologist: User, settings: Settings
) -> None:
    settings.TIME_ZONE = "Asia/Kathmandu"
    read = sign(study, radiologist, signed_at=datetime(2026, 3, 4, 20, 30, tzinfo=UTC))
    Addendum.objects.create(
        read=read, author=radiologist, reason="Later look", text="No change.",
        signed_at=datetime(2026, 3, 5, 1, 0, tzinfo=UTC),
    )  # fmt: skip
    client.force_login(radiologist)
    for text in (client.get(f"/studies/{study.pk}/report").text, words_of_pdf(client, study)[1]):
        assert "2026-03-05 02:15 +0545" in text
        assert "2026-03-05 06:45 +0545" in text


def test_it_says_that_the_identity_was_corrected_after_the_signature(
    client: Client, study: Study, radiologist: User
) -> None:
    words = "corrected after the signature"
    # Signed before the portal kept the identity with a read.
    sign(study, radiologist, identity={})
    client.force_login(radiologist)
    assert words not in client.get(f"/studies/{study.pk}/report").text
    identity = {"patient_id": "P-1", "issuer": "", "birth_date": None, "sex": "F"}
    change_patient(study.patient, identity | {"name": "Roe^Jane"}, radiologist, "Wrong name")
    assert words in client.get(f"/studies/{study.pk}/report").text
    assert words in " ".join(words_of_pdf(client, study)[1].split())


def test_a_correction_before_the_signature_is_not_in_the_report(
    client: Client, study: Study, radiologist: User
) -> None:
    early = sign(study, radiologist, ago=3600)
    identity = {"patient_id": "P-1", "issuer": "", "birth_date": None, "sex": "F"}
    change_patient(study.patient, identity | {"name": "Roe^Jane"}, radiologist, "Wrong name")
    IdentityCorrection.objects.update(at=timezone.now() - timedelta(seconds=1800))
    sign(study, radiologist, amends=early, revision=1, reason="Under the right name")
    client.force_login(radiologist)
    assert "corrected after" not in client.get(f"/studies/{study.pk}/report").text
