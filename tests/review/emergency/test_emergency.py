"""Emergency access: one patient, a reason, who one is, an hour, an alert and a review."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.checks import run_checks
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django.fixtures import Settings

from tests.conftest import PASSWORD
from tests.factories import make_patient, make_study
from webportal.access.models import AccessEntry
from webportal.accounts.models import Department, Role, User
from webportal.audit.models import AuditEntry
from webportal.notifications import run
from webportal.notifications.models import MailState, Notification, NotificationKind
from webportal.notifications.services import choose
from webportal.records.identity import identity_version
from webportal.records.models import EmergencyAccess, Patient, ReviewOutcome, Study
from webportal.review.emergency import services
from webportal.review.study.case_records import assign_known_patient

SignIn = Callable[[User], Client]
MakeUser = Callable[..., User]
BEGIN = "/emergency"


@pytest.fixture
def elsewhere(radiologist: User) -> Department:
    """A department that is not the radiologist's."""
    return Department.objects.create(name="Elsewhere")


@pytest.fixture
def wanted(elsewhere: Department) -> Study:
    patient = make_patient(patient_id="P-77", issuer="X", name="Hurt^Somebody")
    return make_study(department=elsewhere, patient=patient, accession_number="ACC-9")


def given(**changes: Any) -> dict[str, Any]:
    fields = {"number": "P-77", "reason": "Trauma room", "password": PASSWORD}
    return fields | changes


def actions() -> list[str]:
    return list(
        AuditEntry.objects.filter(action__startswith="emergency.")
        .order_by("sequence")
        .values_list("action", flat=True)
    )


@pytest.mark.parametrize("number", ["P-77", "ACC-9"])
def test_it_opens_all_of_one_patient(
    number: str, wanted: Study, elsewhere: Department, radiologist: User, sign_in: SignIn
) -> None:
    another = make_study(department=elsewhere)
    browser = sign_in(radiologist)
    study, patient = f"/studies/{wanted.pk}", f"/patients/{wanted.patient_id}"
    assert browser.get(study).status_code == 404
    response = browser.post(BEGIN, given(number=number))
    assert response["Location"] == patient
    page = browser.get(patient)
    assert b"Emergency access" in page.content
    assert b"Hurt" in page.content
    assert browser.get(study).status_code == 200
    assert browser.get(f"/studies/{another.pk}").status_code == 404
    # Nothing to browse: lists show the own departments alone.
    assert b"Hurt" not in browser.get("/worklist").content
    assert actions() == ["emergency.begun"]


def test_end_now_ends_it(wanted: Study, radiologist: User, sign_in: SignIn) -> None:
    browser = sign_in(radiologist)
    browser.post(BEGIN, given())
    access = EmergencyAccess.objects.get()
    browser.post(reverse("review:end-emergency", args=[access.pk]))
    assert browser.get(f"/studies/{wanted.pk}").status_code == 404
    assert b"data-emergency" not in browser.get("/worklist").content
    assert actions() == ["emergency.begun", "emergency.ended"]


def test_it_ends_by_itself(wanted: Study, radiologist: User, settings: Settings) -> None:
    settings.EMERGENCY_ACCESS_MINUTES = 0
    services.begin(radiologist, "P-77", "Trauma room", PASSWORD)
    assert not Study.objects.visible_to(radiologist).exists()


@pytest.mark.parametrize(
    ("changes", "recorded"),
    [
        ({"password": "wrong"}, ["emergency.failed"]),
        ({"reason": "  "}, []),
        ({"number": "P-7"}, ["emergency.failed"]),
        ({"number": "Hurt"}, ["emergency.failed"]),
        ({"issuer": "Y"}, ["emergency.failed"]),
    ],
)
def test_it_needs_an_exact_number_a_reason_and_the_person(
    changes: dict[str, str], recorded: list[str], wanted: Study, radiologist: User, sign_in: SignIn
) -> None:
    response = sign_in(radiologist).post(BEGIN, given(**changes))
    assert response.status_code == 422
    assert not EmergencyAccess.objects.exists()
    assert actions() == recorded


def test_authentication_comes_before_looking_for_the_patient(
    wanted: Study, radiologist: User, sign_in: SignIn
) -> None:
    browser = sign_in(radiologist)
    answers = [
        browser.post(BEGIN, given(number=number, password="wrong")).context["form"].errors
        for number in ("P-77", "NOBODY")
    ]
    assert answers[0] == answers[1]


def test_several_patients_of_one_number_need_the_issuer(
    wanted: Study, elsewhere: Department, radiologist: User
) -> None:
    make_study(department=elsewhere, patient=make_patient(patient_id="P-77", issuer="Y"))
    with pytest.raises(services.EmergencyError, match="issuer"):
        services.begin(radiologist, "P-77", "Trauma room", PASSWORD)
    access = services.begin(radiologist, "P-77", "Trauma room", PASSWORD, issuer="X")
    assert access.patient == wanted.patient


def test_a_patient_id_comes_before_an_accession_number(
    wanted: Study, elsewhere: Department, radiologist: User
) -> None:
    make_study(department=elsewhere, accession_number="P-77")
    assert services.begin(radiologist, "P-77", "Trauma", PASSWORD).patient == wanted.patient


def test_each_of_several_accession_numbers_is_found(
    elsewhere: Department, radiologist: User
) -> None:
    study = make_study(department=elsewhere, accession_number="A1\\B2\\C3")
    for number in ("A1", "B2", "C3", "A1\\B2\\C3"):
        access = services.begin(radiologist, number, "Trauma", PASSWORD)
        assert access.patient == study.patient
        services.end(access)
    for number in ("B", "2", "1\\B"):
        with pytest.raises(services.EmergencyError, match="exactly"):
            services.begin(radiologist, number, "Trauma", PASSWORD)


def test_it_is_renewed_in_its_last_minutes(
    wanted: Study, radiologist: User, make_user: MakeUser, sign_in: SignIn
) -> None:
    browser = sign_in(radiologist)
    browser.post(BEGIN, given())
    first = EmergencyAccess.objects.get()
    renew = f"{BEGIN}?renew={first.pk}"
    assert b"can renew it in its last 10 minutes" in browser.post(renew, given()).content
    first.ends_at = timezone.now() + timedelta(minutes=9)
    first.save()
    form = browser.get(renew).context["form"]
    shown = [form[name].value() for name in ("number", "issuer", "reason")]
    assert shown == ["P-77", "X", "Trauma room"]
    other = sign_in(make_user(Role.RADIOLOGIST, username="other"))
    assert b"P-77" not in other.get(renew).content
    assert browser.post(renew, given()).status_code == 302
    second = services.running(radiologist).get()
    assert second != first
    assert second.ends_at > timezone.now() + timedelta(minutes=50)
    assert actions() == ["emergency.begun", "emergency.ended", "emergency.begun"]


def test_there_is_none_for_patients_one_sees(elsewhere: Department, radiologist: User) -> None:
    make_study(patient=make_patient(patient_id="OWN"))
    with pytest.raises(services.EmergencyError):
        services.begin(radiologist, "OWN", "Trauma room", PASSWORD)


def test_it_is_not_offered_while_there_is_one_department(
    radiologist: User, sign_in: SignIn
) -> None:
    browser = sign_in(radiologist)
    assert browser.get(BEGIN).status_code == 404
    assert b"Emergency" not in browser.get("/patients").content


def test_heads_and_auditors_are_told_at_once_as_configured(
    wanted: Study,
    elsewhere: Department,
    radiologist: User,
    auditor: User,
    it_person: User,
    make_user: MakeUser,
    settings: Settings,
) -> None:
    head, member = make_user(Role.UPLOADER), make_user(Role.UPLOADER, username="member")
    head.memberships.create(department=elsewhere, is_head=True)
    member.memberships.create(department=elsewhere)

    def told() -> set[User]:
        return {
            each.recipient for each in Notification.objects.filter(kind=NotificationKind.EMERGENCY)
        }

    access = services.begin(radiologist, "P-77", "Trauma room", PASSWORD)
    assert told() == {head, auditor}
    services.end(access)
    settings.EMERGENCY_ALERTS = ["it"]
    services.begin(radiologist, "P-77", "Trauma room", PASSWORD)
    assert told() == {head, auditor, it_person}


def test_each_notified_person_gets_a_page_they_may_open(
    wanted: Study,
    elsewhere: Department,
    radiologist: User,
    auditor: User,
    it_person: User,
    make_user: MakeUser,
    sign_in: SignIn,
    settings: Settings,
) -> None:
    settings.EMERGENCY_ALERTS = ["heads", "auditor", "it"]
    head = make_user(Role.UPLOADER)
    head.memberships.create(department=elsewhere, is_head=True)
    access = services.begin(radiologist, "P-77", "Trauma room", PASSWORD)
    pages = {
        auditor: reverse("audit:emergency", args=[access.pk]),
        head: reverse("records:patient", args=[wanted.patient_id]),
        it_person: reverse("accounts:user", args=[radiologist.pk]),
    }
    for person, page in pages.items():
        told = Notification.objects.get(kind=NotificationKind.EMERGENCY, recipient=person)
        browser = sign_in(person)
        assert browser.get(f"/notifications/{told.pk}").headers["Location"] == page
        assert browser.get(page).status_code == 200


def test_auditors_are_told_once_of_each_review_that_is_overdue(
    wanted: Study, radiologist: User, auditor: User, make_user: MakeUser, settings: Settings
) -> None:
    def overdue() -> dict[User, MailState]:
        told = Notification.objects.filter(kind=NotificationKind.EMERGENCY_OVERDUE).order_by(
            "created_at"
        )
        return {each.recipient: MailState(each.mail_state) for each in told}

    other = make_user(Role.AUDITOR, username="other-auditor")
    gone = make_user(Role.AUDITOR, username="gone")
    User.objects.filter(pk=gone.pk).update(is_active=False)
    settings.MAIL_ENABLED = True
    choose(other, "auditor@hospital.example", [NotificationKind.EMERGENCY_OVERDUE])
    access = services.begin(radiologist, "P-77", "Trauma room", PASSWORD)
    services.end(access)
    assert run.create_due() == 0
    long_ago = timezone.now() - timedelta(days=7, minutes=1)
    EmergencyAccess.objects.update(began_at=long_ago, ends_at=long_ago)
    assert run.create_due() == 2
    assert overdue() == {auditor: MailState.NONE, other: MailState.DUE}
    assert run.create_due() == 0
    own = make_user(Role.AUDITOR, username="own")
    EmergencyAccess.objects.update(person=own)
    assert run.create_due() == 0
    third = make_user(Role.AUDITOR, username="third")
    services.review(access, ReviewOutcome.JUSTIFIED, "", auditor)
    assert run.create_due() == 0
    assert third not in overdue()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("EMERGENCY_ALERTS", ["heads", "auditor", "it"], []),
        ("EMERGENCY_ALERTS", ["head"], ["notifications.E001"]),
        ("EMERGENCY_ACCESS_MINUTES", 0, ["notifications.E002"]),
        ("EMERGENCY_REVIEW_DAYS", 0, ["notifications.E003"]),
    ],
)
def test_wrong_settings_are_found_at_the_start(
    name: str, value: object, expected: list[str], settings: Settings
) -> None:
    setattr(settings, name, value)
    assert [found.id for found in run_checks()] == expected


def test_an_access_follows_a_patient_who_is_identified(
    elsewhere: Department, radiologist: User, uploader: User, make_user: MakeUser
) -> None:
    head = make_user(Role.UPLOADER, username="head")
    third = Department.objects.create(name="Third")
    head.memberships.create(department=third, is_head=True)
    unknown = make_patient(patient_id="T-1", is_temporary=True)
    study = make_study(department=elsewhere, patient=unknown)
    services.end(services.begin(radiologist, "T-1", "Trauma room", PASSWORD))
    access = services.begin(radiologist, "T-1", "Trauma room", PASSWORD)
    known = make_study(department=third).patient
    told = Notification.objects.filter(kind=NotificationKind.EMERGENCY, recipient=head)
    assert not told.exists()
    assign_known_patient(study, known, identity_version(known), uploader)
    assert not Patient.objects.filter(pk=unknown.pk).exists()
    assert {each.patient for each in EmergencyAccess.objects.all()} == {known}
    assert Study.objects.visible_to(radiologist).filter(patient=known).count() == 2
    assert [each.emergency for each in told] == [access]
    removed = AuditEntry.objects.get(action="patient.changed").detail
    assert str(access.pk) in removed["emergency_accesses"]


def test_an_auditor_reviews_what_was_seen(
    wanted: Study, radiologist: User, auditor: User, sign_in: SignIn
) -> None:
    browser, other = sign_in(radiologist), sign_in(auditor)
    browser.post(BEGIN, given())
    browser.get(f"/patients/{wanted.patient_id}")
    assert AccessEntry.objects.filter(route="records:patient").exists()
    access = EmergencyAccess.objects.get()
    page = reverse("audit:emergency", args=[access.pk])
    said = {"outcome": ReviewOutcome.JUSTIFIED, "remark": "Resuscitation"}
    assert other.post(page, said).status_code == 422  # still running
    badge = b"text-bg-warning"
    assert badge not in other.get(reverse("audit:emergencies")).content
    services.end(access)
    shown = other.get(page).content.decode()
    assert "Trauma room" in shown
    assert "Patient’s record" in shown
    assert badge in other.get(reverse("audit:emergencies")).content
    other.post(page, said)
    access.refresh_from_db()
    assert (access.outcome, access.reviewed_by) == (ReviewOutcome.JUSTIFIED, auditor)
    assert badge not in other.get(reverse("audit:emergencies")).content
    assert actions()[-1] == "emergency.reviewed"
    with pytest.raises(services.EmergencyError):
        services.review(access, ReviewOutcome.UNCLEAR, "", auditor)


def test_nobody_reviews_their_own(wanted: Study, radiologist: User) -> None:
    access = services.begin(radiologist, "P-77", "Trauma room", PASSWORD)
    services.end(access)
    with pytest.raises(services.EmergencyError):
        services.review(access, ReviewOutcome.JUSTIFIED, "", radiologist)


def test_others_cannot_end_it(
    wanted: Study, radiologist: User, make_user: MakeUser, sign_in: SignIn
) -> None:
    access = services.begin(radiologist, "P-77", "Trauma room", PASSWORD)
    browser = sign_in(make_user(Role.RADIOLOGIST, username="other"))
    response = browser.post(reverse("review:end-emergency", args=[access.pk]))
    assert response.status_code == 404
    access.refresh_from_db()
    assert access.ends_at > timezone.now() + timedelta(minutes=50)
