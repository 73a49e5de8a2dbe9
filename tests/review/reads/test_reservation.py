"""'Next' takes the most urgent study, and no two readers get the same one."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django.fixtures import Settings

from tests.conftest import PASSWORD
from tests.factories import make_prediction, make_radiograph, make_study
from tests.helpers import audit_actions
from tests.reading import identity_field, look_at, sign
from webportal.accounts.models import Role, User
from webportal.audit.models import AuditEntry
from webportal.records.choices import Priority
from webportal.records.models import Study
from webportal.review.models import Reservation
from webportal.review.reads.reservation import (
    give_back,
    renew,
    reservation_of,
    reserve,
    reserve_next,
)
from webportal.review.reads.services import Entry, ReadingError
from webportal.review.worklist.bulk import assign, prioritise


@pytest.fixture
def other(make_user: Callable[..., User]) -> User:
    return make_user(Role.RADIOLOGIST, username="other")


def expire() -> None:
    Reservation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))


@pytest.mark.django_db
def test_next_is_the_most_urgent_unreserved_study(radiologist: User, other: User) -> None:
    routine = make_study()
    stat = make_study(priority=0)
    make_study(priority=0, reading_state="signed")
    assert reserve_next(radiologist) == stat
    assert reserve_next(other) == routine
    # Who asks again gets what they have already.
    assert reserve_next(radiologist) == stat
    assert audit_actions(object_id=stat.pk) == ["study.reserved"]


@pytest.mark.django_db
def test_next_skips_studies_assigned_to_another_reader(radiologist: User, other: User) -> None:
    make_study(priority=0, assigned_reader=other)
    mine = make_study(assigned_reader=radiologist)
    assert reserve_next(radiologist) == mine


@pytest.mark.django_db
def test_a_stat_assignment_yields_unless_its_reader_begins(
    radiologist: User, other: User, sign_in: Callable[[User], Client]
) -> None:
    stat = make_study(priority=0)
    routine = make_study(priority=2)
    assign([stat.pk, routine.pk], other, other)
    assert reserve_next(radiologist) is None
    Study.objects.update(assigned_since=timezone.now() - timedelta(minutes=16))
    # Its reader is at it.
    reserve(stat, other)
    assert reserve_next(radiologist) is None
    give_back(stat, other)
    page = sign_in(radiologist).post(reverse("review:next"), follow=True)
    assert page.redirect_chain[-1][0] == reverse("review:study", args=[stat.pk])
    assert f"This study is assigned to {other}" in page.text
    entry = AuditEntry.objects.filter(action="study.reserved").latest("pk")
    assert entry.detail["assigned_to"] == str(other.pk)
    stat.refresh_from_db()
    assert stat.assigned_reader == other


@pytest.mark.django_db
def test_the_reader_of_a_study_that_becomes_stat_has_time_to_begin(
    radiologist: User, other: User, make_user: Callable[..., User], settings: Settings
) -> None:
    study = make_study(priority=Priority.ROUTINE)
    assign([study.pk], other, other)
    Study.objects.update(assigned_since=timezone.now() - timedelta(hours=3))
    prioritise([study.pk], Priority.STAT, make_user(Role.COORDINATOR))
    assert reserve_next(radiologist) is None
    settings.STAT_ASSIGNED_MINUTES = 1e-6
    assert reserve_next(radiologist) == study


@pytest.mark.django_db
def test_a_department_may_keep_stat_assignments(
    radiologist: User, other: User, settings: Settings
) -> None:
    settings.STAT_ASSIGNED_MINUTES = 0
    make_study(priority=0, assigned_reader=other)
    Study.objects.update(assigned_since=timezone.now() - timedelta(days=1))
    assert reserve_next(radiologist) is None


def _deactivate(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def _take_the_role(user: User) -> None:
    User.objects.filter(pk=user.pk).update(roles=[Role.UPLOADER])


def _take_the_department(user: User) -> None:
    user.memberships.all().delete()


@pytest.mark.django_db
@pytest.mark.parametrize("end", [_deactivate, _take_the_role, _take_the_department])
def test_next_gives_others_what_is_assigned_to_somebody_who_cannot_read_it_any_more(
    end: Callable[[User], None], radiologist: User, other: User
) -> None:
    study = make_study(assigned_reader=other)
    assert reserve_next(radiologist) is None
    end(other)
    assert reserve_next(radiologist) == study
    assert reserve_next(radiologist, after=study) is None
    # The assignment counts again once they can.
    User.objects.filter(pk=other.pk).update(
        is_active=True, roles=[Role.RADIOLOGIST], sees_all_departments=True
    )
    other.refresh_from_db()
    assert reserve_next(radiologist) is None
    assert reserve_next(other) == study


@pytest.mark.django_db
def test_a_study_left_unread_is_released_and_the_next_below_it_taken(
    radiologist: User, other: User
) -> None:
    first, second = make_study(priority=0), make_study(priority=1)
    assert reserve_next(radiologist) == first
    assert reserve_next(radiologist, after=first) == second
    assert reservation_of(first) is None
    # Below the last one comes the first again.
    assert reserve_next(radiologist, after=second) == first
    give_back(first, radiologist)
    second.refresh_from_db()
    reserve(second, other)
    assert reserve_next(radiologist, after=first) is None


@pytest.mark.django_db
def test_a_reservation_expires_and_the_open_page_renews_it(radiologist: User, other: User) -> None:
    study = make_study()
    reserve_next(radiologist)
    assert reserve(study, other).reader == radiologist
    assert reserve_next(other) is None
    Reservation.objects.update(expires_at=timezone.now() + timedelta(seconds=5))
    present = renew(study, radiologist)
    assert present is not None
    assert Reservation.objects.get().expires_at > timezone.now() + timedelta(minutes=14)
    assert renew(study, other) is not None
    assert Reservation.objects.get().reader == radiologist
    expire()
    assert reservation_of(study) is None
    assert renew(study, radiologist) is None
    assert reserve_next(other) == study
    assert Reservation.objects.get().reader == other


@pytest.mark.django_db
@pytest.mark.parametrize("is_over", [True, False])
@pytest.mark.parametrize("is_own", [True, False])
def test_reserving_takes_over_expired_reservations_and_renews_ones_own(
    radiologist: User, other: User, *, is_own: bool, is_over: bool
) -> None:
    study = make_study()
    holder = radiologist if is_own else other
    ends_at = timezone.now() + timedelta(minutes=-1 if is_over else 1)
    Reservation.objects.create(
        study=study, reader=holder, reserved_at=timezone.now(), expires_at=ends_at
    )
    present = reserve(study, radiologist)
    assert present == Reservation.objects.get()
    assert present.reader == (radiologist if is_over else holder)
    assert (present.expires_at > ends_at) == (is_own or is_over)
    assert audit_actions(object_id=study.pk) == (["study.reserved"] if is_over else [])


@pytest.mark.django_db(transaction=True)
def test_concurrent_readers_get_different_studies(make_user: Callable[..., User]) -> None:
    readers = [make_user(Role.RADIOLOGIST, username=f"reader{n}") for n in range(6)]
    studies = {make_study().pk for _ in range(5)}
    taken: list[object] = []
    start = threading.Barrier(len(readers))

    def take(reader: User) -> None:
        try:
            start.wait()
            study = reserve_next(reader)
            taken.append(study.pk if study else None)
        finally:
            connection.close()

    for _ in range(4):
        taken.clear()
        Reservation.objects.all().delete()
        threads = [threading.Thread(target=take, args=[reader]) for reader in readers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        got = [each for each in taken if each is not None]
        assert set(got) == studies
        assert len(got) == len(studies)
        assert Reservation.objects.count() == len(studies)


@pytest.mark.django_db
def test_signing_a_study_reserved_by_another_needs_a_second_confirmation(
    radiologist: User, other: User
) -> None:
    prediction = make_prediction(category="unlikely")
    study = prediction.radiograph.study
    reserve(study, other)
    with pytest.raises(ReadingError) as refused:
        sign(study, radiologist, Entry(prediction.pk, "confirm", "none"), PASSWORD)
    assert refused.value.code == "reserved"
    assert "other is reading this study" in refused.value.message
    sure = Entry(prediction.pk, "confirm", "none", despite_reservation=True)
    sign(study, radiologist, sure, PASSWORD)
    assert not Reservation.objects.exists()


@pytest.mark.django_db
def test_pages_show_who_has_a_study(
    radiologist: User, other: User, sign_in: Callable[[User], Client]
) -> None:
    study = make_radiograph().study
    mine, theirs = sign_in(radiologist), sign_in(other)
    answer = mine.post(reverse("review:next"))
    page = reverse("review:study", args=[study.pk])
    assert answer.headers["Location"] == page
    assert "Reserved for you" in mine.get(page).content.decode()
    shown = theirs.get(page).content.decode()
    assert "<strong>radiologist</strong> has been reading this study" in shown
    assert "Sign although radiologist is reading this study" in shown
    assert "radiologist" in theirs.get(reverse("review:worklist")).content.decode()
    theirs.post(reverse("review:reserve", args=[study.pk]))
    theirs.post(reverse("review:give-back", args=[study.pk]))
    assert Reservation.objects.get().reader == radiologist
    mine.post(reverse("review:give-back", args=[study.pk]))
    assert "Reserve it for me" in theirs.get(page).content.decode()
    assert audit_actions(object_id=study.pk)[-3:] == [
        "study.viewed",
        "study.reservation_ended",
        "study.viewed",
    ]


@pytest.mark.django_db
def test_starting_a_read_reserves_the_study(
    radiologist: User, sign_in: Callable[[User], Client]
) -> None:
    study = make_study()
    address = reverse("review:draft", args=[study.pk])
    sign_in(radiologist).post(address, {"comment": "x"}, headers={"HX-Request": "true"})
    present = reservation_of(study)
    assert present is not None
    assert present.reader == radiologist


@pytest.mark.django_db
def test_signing_goes_on_to_the_next_study(
    radiologist: User, sign_in: Callable[[User], Client]
) -> None:
    browser = sign_in(radiologist)
    prediction = make_prediction(category="unlikely")
    study = prediction.radiograph.study
    following = make_study()
    values = {"seen": prediction.pk, "images": 1, "choice": "confirm:none", "kind": "first"}
    look_at(study, radiologist)
    address = reverse("review:sign", args=[study.pk])
    answer = browser.post(
        address, values | identity_field(study) | {"password": PASSWORD, "then": "next"}
    )
    assert answer.headers["Location"] == reverse("review:study", args=[following.pk])
    Study.objects.filter(pk=following.pk).update(reading_state="signed")
    done = browser.post(reverse("review:next"), follow=True)
    assert "nothing left for you to read" in done.content.decode()
