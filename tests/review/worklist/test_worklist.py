"""What the worklist shows, and its filters."""

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django.fixtures import Settings

from tests.factories import make_job, make_patient, make_radiograph, make_study
from tests.review.worklist.cases import shown, study_of
from webportal.accounts.models import Role, User
from webportal.inference.queue import enqueue
from webportal.intake.batches.services import create_batch
from webportal.intake.models import UploadItem, Verdict
from webportal.records.models import Patient, Study
from webportal.review.models import SecondReading, WorklistPreference
from webportal.review.reads.reservation import reserve

pytestmark = pytest.mark.django_db


@pytest.fixture
def _blind_second_reading(settings: Settings) -> None:
    settings.SECOND_READING = True
    settings.SECOND_READING_BLIND_TO_AI = True


def test_filters(browser: Client, radiologist: User) -> None:
    stat = study_of("likely", priority=0, assigned_reader=radiologist)
    unlikely = study_of("unlikely")
    waiting = study_of()
    signed = study_of("likely", reading_state="signed")
    make_job(waiting.radiographs.get(), "queued")
    stuck = study_of()
    make_job(stuck.radiographs.get(), "quarantined")
    old = study_of("indeterminate", hours=24 * 40)
    yesterday = (timezone.now() - timedelta(days=1)).date().isoformat()

    def found(**query: str | int) -> set[Study]:
        return set(shown(browser.get(reverse("review:worklist"), query)))

    assert found() == {stat, unlikely, waiting, stuck, old}
    assert found(state="signed") == {signed}
    assert found(state="all") == {stat, unlikely, waiting, stuck, old, signed}
    assert found(category="likely") == {stat}
    assert found(category="none") == {waiting, stuck}
    assert found(priority=0) == {stat}
    assert found(queue="queued") == {waiting}
    assert found(queue="quarantined") == {stuck}
    assert found(until=yesterday) == {old}
    assert found(since=yesterday, category="unlikely") == {unlikely}
    assert found(assigned="me") == {stat}
    assert found(assigned=str(radiologist.pk)) == {stat}
    assert found(assigned="none") == {unlikely, waiting, stuck, old}
    assert found(state="bogus", priority="x", since="tomorrow", assigned="x") == found()


def test_chips_count_what_a_click_on_them_shows(browser: Client, radiologist: User) -> None:
    study_of("likely", priority=0)
    study_of("likely", assigned_reader=radiologist)
    study_of("unlikely", priority=0, hours=24 * 40)
    study_of("unlikely")
    yesterday = (timezone.now() - timedelta(days=1)).date().isoformat()
    # The bare worklist, filters beside the chips, a chip that is on, and two of them.
    for query in ("", f"since={yesterday}", "priority=0", f"category=likely&until={yesterday}"):
        chips = browser.get(f"{reverse('review:worklist')}?{query}").context["chips"]
        assert len(chips) == 7
        for chip, address in chips:
            listed = query if chip.is_chosen else urlsplit(address).query
            found = shown(browser.get(f"{reverse('review:worklist')}?{listed}"))
            assert chip.count.number == len(found), (query, chip)


def test_a_prior_is_not_reported_as_missing_from_the_queue(browser: Client) -> None:
    study_of(reading_state="prior")
    page = browser.get(reverse("review:worklist"), {"state": "prior"}).text
    assert "Not analysed" in page
    assert "Queue it" not in page


def test_a_released_study_is_no_longer_listed_as_quarantined(
    browser: Client, radiologist: User
) -> None:
    study = study_of()
    make_job(study.radiographs.get(), "quarantined")
    enqueue(study.radiographs.get(), radiologist)
    page = browser.get(reverse("review:worklist"), {"queue": "quarantined"})
    assert shown(page) == []
    assert shown(browser.get(reverse("review:worklist"), {"queue": "queued"})) == [study]


@pytest.mark.usefixtures("_blind_second_reading")
def test_a_second_reader_who_reads_blind_sees_no_result(browser: Client) -> None:
    study, other = study_of("likely"), study_of("likely")
    SecondReading.objects.create(study=study, reason="drawn")
    for query, expected in (("", {other: False}), ("?state=second", {study: True})):
        rows = browser.get(reverse("review:worklist") + query).context["rows"]
        assert {row["study"]: row["hides_result"] for row in rows} == expected
    assert shown(browser.get(reverse("review:worklist"), {"category": "likely"})) == [other]


def test_the_current_and_the_assigned_reader_are_shown(
    browser: Client, radiologist: User, make_user: Callable[..., User]
) -> None:
    other = make_user(Role.RADIOLOGIST, username="Dr. Other")
    assigned = study_of("likely", assigned_reader=radiologist)
    in_hand = study_of("unlikely", assigned_reader=radiologist)
    reserve(in_hand, other)
    page = browser.get(reverse("review:worklist")).text
    assert "Dr. Other is reading it now" in page
    assert page.count("assigned to radiologist") == 1
    assert assigned.assigned_reader == radiologist
    study_of("likely", assigned_reader=make_user(Role.RADIOLOGIST, username="gone"))
    User.objects.filter(username="gone").update(is_active=False)
    assert "gone, whose account is deactivated" in browser.get(reverse("review:worklist")).text


def test_htmx_gets_only_the_table(browser: Client) -> None:
    study_of("likely")
    page = browser.get(reverse("review:worklist"))
    table = browser.get(reverse("review:worklist"), headers={"HX-Request": "true"})
    assert b"<html" in page.content
    assert b"<html" not in table.content
    assert b"Pneumonia likely \xc2\xb7 93 %" in table.content
    assert "HX-Request" in table.headers["Vary"]


def test_labels_of_unfinished_states(browser: Client) -> None:
    for state in ("queued", "running", "quarantined", "cancelled"):
        make_job(study_of().radiographs.get(), state)
    text = browser.get(reverse("review:worklist")).content.decode()
    for words in ("Queued", "Being analysed", "Model failed", "Analysis cancelled"):
        assert words in text


def test_badges_of_phantoms_and_temporary_identities(browser: Client) -> None:
    Patient.objects.create(patient_id="T1", issuer="CHESTLINE", is_temporary=True)
    study_of(patient=Patient.objects.get(), is_phantom=True)
    text = browser.get(reverse("review:worklist")).content.decode()
    assert "temporary identity" in text
    assert "phantom" in text


def test_truncated_names_and_ids_can_be_read_in_full(browser: Client) -> None:
    study = study_of()
    Patient.objects.filter(pk=study.patient_id).update(name="A" * 60, patient_id="B" * 64)
    page = browser.get(reverse("review:worklist")).text
    assert f'class="patient-name" title="{"A" * 60}"' in page
    assert f'class="col-patient_id" title="{"B" * 64}"' in page


def test_a_shortened_temporary_id_keeps_both_ends(browser: Client) -> None:
    study = study_of()
    temporary = {"name": "", "patient_id": "TMP-A1B2C3D4E5F60718", "is_temporary": True}
    Patient.objects.filter(pk=study.patient_id).update(**temporary)
    page = browser.get(reverse("review:worklist")).text
    assert 'aria-label="TMP-A1B2C3D4E5F60718"' in page
    assert "<span>TMP-A1B2C3D4E5F6</span><span>0718</span>" in page


def test_an_examination_without_a_time_is_shown_by_date(browser: Client, radiologist: User) -> None:
    study = study_of()
    day = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    Study.objects.filter(pk=study.pk).update(performed_at=day)
    WorklistPreference.objects.create(user=radiologist, columns=["patient", "examined"])
    page = browser.get(reverse("review:worklist")).text
    assert f'<td class="col-examined">{day:%Y-%m-%d}</td>' in page


def test_a_temporary_identity_is_shown_by_its_file_name(browser: Client, uploader: User) -> None:
    study = make_study(patient=make_patient(patient_id="TMP-1", name="", is_temporary=True))
    radiograph = make_radiograph(study)
    UploadItem.objects.create(
        batch=create_batch(uploader),
        file_name="ward.zip/child 7/IMG_0412.png",
        sha256=radiograph.original_sha256,
        size=1,
        verdict=Verdict.ACCEPTED,
        radiograph=radiograph,
    )
    for address in ("/worklist", f"/studies/{study.pk}", "/patients"):
        page = browser.get(address).text
        assert ">IMG_0412.png<" in page
        assert "ward.zip/child 7/IMG_0412.png" in page


@pytest.mark.parametrize("role", Role)
def test_users_whose_role_needs_a_department_are_told_at_the_start(
    role: Role, make_user: Callable[..., User], sign_in: Callable[[User], Client]
) -> None:
    person = make_user(role)
    person.departments.clear()
    start = sign_in(person).get("/", follow=True).text
    is_told = "You are not a member of any department" in start
    assert is_told == (role not in (Role.IT, Role.AUDITOR))


def test_people_without_a_department_are_told_so(
    browser: Client, radiologist: User, uploader: User, sign_in: Callable[[User], Client]
) -> None:
    study_of()
    uploader.departments.clear()
    start = sign_in(uploader).get("/", follow=True).content.decode()
    assert "You are not a member of any department" in start
    radiologist.departments.clear()
    for address in (reverse("review:worklist"), reverse("review:worklist") + "?priority=0"):
        page = browser.get(address).content.decode()
        assert "You are not a member of any department" in page
        assert "All studies have been read" not in page
    start = browser.get("/", follow=True).content.decode()
    assert start.count("You are not a member of any department") == 1
    answer = browser.post(reverse("review:next"), follow=True).content.decode()
    assert "nothing left" not in answer
