"""Reads signed under an identity corrected since: flagged everywhere, and their reader notified."""

from collections.abc import Callable
from datetime import date

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from tests.conftest import PASSWORD
from tests.factories import make_patient, make_radiograph, make_study
from tests.helpers import let_time_pass
from tests.reading import sign
from webportal.accounts.models import Role, User
from webportal.audit.models import AuditEntry
from webportal.intake.batches import services
from webportal.intake.claimed_identity import Identity
from webportal.intake.models import UploadBatch, UploadItem, Verdict
from webportal.notifications import run
from webportal.notifications.mail import deliver
from webportal.notifications.models import Notification, NotificationKind
from webportal.notifications.services import choose
from webportal.records.models import CorrectionSeen, Patient, Study
from webportal.records.services import change_patient
from webportal.review.models import Read
from webportal.review.reads.services import Entry
from webportal.review.study.case_records import assign_patient

pytestmark = pytest.mark.django_db

REASON = "The request form says Ewa."
MARK = "identity corrected"
SIGNED_AS = "Signed as Phantom, Eva, born 2020-01-02, Female, ID H-1 (TEST)."
CORRECTED_TO = "Corrected to Phantom, Ewa, born 2020-01-02, Female, ID H-1 (TEST) by corrector,"
SEEN = "I have seen this"


@pytest.fixture
def corrector(make_user: Callable[..., User]) -> User:
    return make_user(Role.RADIOLOGIST, username="corrector")


@pytest.fixture
def patient() -> Patient:
    return make_patient(patient_id="H-1", name="Phantom^Eva", birth_date=date(2020, 1, 2), sex="F")


@pytest.fixture
def read(patient: Patient, radiologist: User) -> Read:
    study = make_radiograph(make_study(patient=patient)).study
    return sign(study, radiologist, Entry(None, "unaided", "none"), PASSWORD)


def correct(patient: Patient, by: User, name: str = "Phantom^Ewa") -> None:
    change_patient(patient, {"name": name}, by, REASON)


def put_in_batch(read: Read, by: User) -> UploadBatch:
    batch = services.create_batch(by)
    (radiograph,) = read.study.radiographs.all()
    UploadItem.objects.create(
        batch=batch,
        file_name="one.dcm",
        sha256=radiograph.original_sha256,
        size=1,
        verdict=Verdict.ACCEPTED,
        radiograph=radiograph,
    )
    return batch


def test_a_signed_read_shows_its_identity_and_the_correction(
    read: Read, patient: Patient, corrector: User, sign_in: Callable[[User], Client]
) -> None:
    later = make_radiograph(make_study(patient=patient)).study
    addresses = [
        reverse("review:study", args=[read.study_id]),
        reverse("records:patient", args=[patient.pk]),
    ]
    browser = sign_in(corrector)
    for address in addresses:
        assert "Signed as" not in browser.get(address).text
    correct(patient, corrector)
    for address in addresses:
        page = browser.get(address).text
        assert SIGNED_AS in page
        assert CORRECTED_TO in page
        assert f"Reason: {REASON}" in page
    assert MARK in browser.get(reverse("review:study", args=[later.pk])).text
    assert MARK in browser.get(reverse("review:worklist") + "?state=signed").text


def test_all_corrections_are_shown(
    read: Read, patient: Patient, corrector: User, sign_in: Callable[[User], Client]
) -> None:
    correct(patient, corrector)
    correct(patient, corrector, "Phantom^Ewka")
    page = sign_in(corrector).get(reverse("review:study", args=[read.study_id])).text
    assert page.count("Signed as") == 1
    assert "Phantom, Ewa," in page
    assert "Phantom, Ewka," in page


def test_a_move_flags_only_that_study(
    read: Read, patient: Patient, radiologist: User, corrector: User
) -> None:
    other = make_radiograph(make_study(patient=patient)).study
    stays = sign(other, radiologist, Entry(None, "unaided", "none"), PASSWORD)
    assign_patient(read.study, Identity("H-2", name="Doe^Jane"), corrector, REASON)
    client = APIClient()
    client.force_authenticate(radiologist)
    moved = client.get(f"/api/v1/reads/{read.pk}").json()["identity_corrections"]
    assert [each["before"]["patient_id"] for each in moved] == ["H-1"]
    assert [each["after"]["name"] for each in moved] == ["Doe^Jane"]
    assert client.get(f"/api/v1/reads/{stays.pk}").json()["identity_corrections"] == []


def test_a_read_signed_after_the_correction_is_not_flagged(
    patient: Patient, read: Read, radiologist: User, corrector: User
) -> None:
    correct(patient, corrector)
    study = make_radiograph(make_study(patient=patient)).study
    later = sign(study, radiologist, Entry(None, "unaided", "none"), PASSWORD)
    client = APIClient()
    client.force_authenticate(radiologist)
    assert client.get(f"/api/v1/reads/{later.pk}").json()["identity_corrections"] == []
    assert not client.get(f"/api/v1/studies/{study.pk}").json()["identity_corrected"]
    assert client.get(f"/api/v1/studies/{read.study_id}").json()["identity_corrected"]


def test_the_results_of_an_upload_show_the_flag(
    read: Read,
    patient: Patient,
    uploader: User,
    corrector: User,
    sign_in: Callable[[User], Client],
) -> None:
    batch, browser = put_in_batch(read, uploader), sign_in(uploader)
    address = f"/uploads/{batch.pk}/results"
    assert MARK not in browser.get(address).text
    correct(patient, corrector)
    assert MARK in browser.get(address).text
    assert MARK in browser.get(reverse("records:patient", args=[patient.pk])).text
    header, line = browser.get(f"{address}.csv").text.lstrip("\ufeff").split()
    assert header.split(",")[-1] == "identity_corrected"
    assert line.split(",")[-1] == "yes"
    client = APIClient()
    client.force_authenticate(uploader)
    (row,) = client.get(f"/api/v1/batches/{batch.pk}/results").json()["results"]
    assert row["identity_corrected"] is True
    assert browser.get(f"{address}.pdf").status_code == 200


def test_the_reader_acknowledges_the_correction(
    read: Read,
    patient: Patient,
    radiologist: User,
    corrector: User,
    sign_in: Callable[[User], Client],
) -> None:
    correct(patient, corrector)
    address = reverse("review:study", args=[read.study_id])
    seen = reverse("review:correction-seen", args=[read.study_id])
    other, own = sign_in(corrector), sign_in(radiologist)
    assert SEEN not in other.get(address).text
    other.post(seen)
    assert not CorrectionSeen.objects.exists()
    assert SEEN in own.get(address).text
    own.post(seen)
    own.post(seen)
    page = own.get(address).text
    assert SEEN not in page
    assert SIGNED_AS in page, "the mark stays"
    entry = AuditEntry.objects.get(action="patient.correction_seen")
    assert (entry.actor_id, entry.study_id) == (radiologist.pk, read.study_id)


def test_the_reader_acknowledges_the_correction_over_the_api(
    read: Read, patient: Patient, radiologist: User, corrector: User
) -> None:
    correct(patient, corrector)
    client = APIClient()
    client.force_authenticate(radiologist)
    assert client.post(f"/api/v1/reads/{read.pk}/corrections-seen").status_code == 200
    assert CorrectionSeen.objects.get().reader == radiologist


# ── Telling the reader ──────────────────────────────────────────────────────────────────────────


def test_the_reader_is_notified_once_of_each_correction(
    read: Read,
    patient: Patient,
    radiologist: User,
    corrector: User,
    sign_in: Callable[[User], Client],
) -> None:
    make_radiograph(make_study(patient=patient))
    assert run.create_due() == 0
    correct(patient, corrector)
    assert run.create_due() == 1
    assert run.create_due() == 0
    told = Notification.objects.get()
    assert (told.recipient, told.kind) == (radiologist, NotificationKind.IDENTITY_CORRECTED)
    correct(patient, corrector, "Phantom^Ewka")
    assert run.create_due() == 1
    browser = sign_in(radiologist)
    page = browser.get(reverse("notifications:list")).text
    assert "The identity under which you signed a read was corrected" in page
    answer = browser.get(reverse("notifications:open", args=[told.pk]))
    assert answer.headers["Location"] == reverse("review:study", args=[read.study_id])


def test_several_studies_cause_one_notification_that_opens_the_patient(
    read: Read,
    patient: Patient,
    radiologist: User,
    corrector: User,
    sign_in: Callable[[User], Client],
) -> None:
    other = make_radiograph(make_study(patient=patient)).study
    sign(other, radiologist, Entry(None, "unaided", "none"), PASSWORD)
    correct(patient, corrector)
    assert run.create_due() == 1
    told = Notification.objects.get()
    answer = sign_in(radiologist).get(reverse("notifications:open", args=[told.pk]))
    assert answer.headers["Location"] == reverse("records:patient", args=[patient.pk])


def test_readers_are_not_notified_of_their_own_correction(
    read: Read, patient: Patient, radiologist: User, sign_in: Callable[[User], Client]
) -> None:
    correct(patient, radiologist)
    assert run.create_due() == 0
    page = sign_in(radiologist).get(reverse("review:study", args=[read.study_id])).text
    assert "Signed as" in page
    assert SEEN not in page


def test_corrections_seen_on_the_page_need_no_notification(
    read: Read,
    patient: Patient,
    radiologist: User,
    corrector: User,
    sign_in: Callable[[User], Client],
) -> None:
    correct(patient, corrector)
    run.create_due()
    sign_in(radiologist).post(reverse("review:correction-seen", args=[read.study_id]))
    run.create_due()
    assert Notification.objects.get().read_at is not None
    Notification.objects.all().delete()
    assert run.create_due() == 0


def test_e_mail_follows_the_preferences_and_contains_no_patient_data(
    read: Read, patient: Patient, radiologist: User, corrector: User, settings: Settings
) -> None:
    settings.MAIL_ENABLED = True
    choose(radiologist, "reader@example.org", [NotificationKind.IDENTITY_CORRECTED])
    correct(patient, corrector)
    run.create_due()
    assert deliver() == 1
    (message,) = mail.outbox
    assert "corrected" in message.subject
    for secret in ("Phantom", "Ewa", "H-1", REASON):
        assert secret not in message.subject + str(message.body)


# ── A second reader ─────────────────────────────────────────────────────────────────────────────


def test_a_second_reader_learns_nothing_from_it(
    patient: Patient,
    radiologist: User,
    corrector: User,
    make_user: Callable[..., User],
    sign_in: Callable[[User], Client],
    settings: Settings,
) -> None:
    settings.SECOND_READING, settings.SECOND_READING_SHARE = True, 1.0
    study = make_radiograph(make_study(patient=patient)).study
    read = sign(study, radiologist, Entry(None, "unaided", "none"), PASSWORD)
    later = make_radiograph(make_study(patient=patient)).study
    second = make_user(Role.RADIOLOGIST, Role.UPLOADER, username="second")
    batch = put_in_batch(read, second)
    browser, client = sign_in(second), APIClient()
    client.force_authenticate(second)
    pages = [
        reverse("review:study", args=[study.pk]),
        reverse("review:study", args=[later.pk]),
        reverse("records:patient", args=[patient.pk]),
        reverse("review:worklist") + "?state=all",
        f"/uploads/{batch.pk}/results",
    ]
    correct(patient, corrector)
    run.create_due()
    assert not Notification.objects.filter(recipient=second).exists()
    for address in pages:
        text = browser.get(address).text
        for told in (MARK, "Signed as", "Corrected to", REASON):
            assert told not in text, (address, told)
    assert "yes" not in browser.get(f"/uploads/{batch.pk}/results.csv").text
    assert client.get(f"/api/v1/reads/{read.pk}").status_code == 404
    assert client.post(f"/api/v1/reads/{read.pk}/corrections-seen").status_code == 404
    assert not client.get(f"/api/v1/studies/{study.pk}").json()["identity_corrected"]
    # The first reader sees it, and the second one too once their own read is signed.
    assert SIGNED_AS in sign_in(radiologist).get(pages[0]).text
    sign(Study.objects.get(pk=study.pk), second, Entry(None, "unaided", "none"), PASSWORD)
    let_time_pass()
    assert SIGNED_AS in browser.get(pages[0]).text
