"""Moving a study to another department."""

from collections.abc import Callable

import pytest
from django.test import Client

from tests.factories import make_study
from webportal.accounts.models import Department, Role, User
from webportal.audit.models import AuditEntry
from webportal.records.models import Study
from webportal.records.services import RecordError
from webportal.review.reads import reservation
from webportal.review.study.moving import move_to_department
from webportal.review.worklist.bulk import assign

SignIn = Callable[[User], Client]


@pytest.fixture
def coordinator(make_user: Callable[..., User]) -> User:
    return make_user(Role.RADIOLOGIST, Role.COORDINATOR, username="coordinator")


@pytest.fixture
def elsewhere(coordinator: User, radiologist: User) -> Department:
    return Department.objects.create(name="Elsewhere")


def test_a_coordinator_moves_a_study(
    coordinator: User, radiologist: User, elsewhere: Department, sign_in: SignIn
) -> None:
    study = make_study()
    assign([study.pk], radiologist, coordinator)
    browser = sign_in(coordinator)
    page = f"/studies/{study.pk}/department"
    assert b"Elsewhere" in browser.get(page).content
    answer = browser.post(page, {"department": elsewhere.pk})
    assert answer["Location"] == "/worklist"
    study.refresh_from_db()
    assert (study.department, study.assigned_reader) == (elsewhere, None)
    assert browser.get(page).status_code == 404
    entry = AuditEntry.objects.filter(action="study.moved").get()
    assert entry.detail["department"] == str(elsewhere.pk)


def test_a_referrer_who_no_longer_gets_the_report_is_named(
    coordinator: User, make_user: Callable[..., User], elsewhere: Department, sign_in: SignIn
) -> None:
    referrer = make_user(Role.REFERRER, username="referrer")
    first, second = make_study(referrer=referrer), make_study(referrer=referrer)
    browser, words = sign_in(coordinator), f"{referrer} does not belong to Elsewhere"
    form = {"department": elsewhere.pk}
    moved = browser.post(f"/studies/{first.pk}/department", form, follow=True)
    assert words in moved.content.decode()
    referrer.departments.add(elsewhere)
    moved = browser.post(f"/studies/{second.pk}/department", form, follow=True)
    assert words not in moved.content.decode()


def test_a_study_is_not_moved_away_from_who_reads_it(
    coordinator: User, radiologist: User, elsewhere: Department
) -> None:
    study = make_study()
    reservation.reserve(study, radiologist)
    with pytest.raises(RecordError):
        move_to_department(study, elsewhere, coordinator)
    with pytest.raises(RecordError):
        move_to_department(make_study(department=elsewhere), elsewhere, coordinator)


def test_studies_are_assigned_to_people_who_see_them_and_next_gives_no_others(
    coordinator: User, radiologist: User, elsewhere: Department
) -> None:
    coordinator.departments.add(elsewhere)
    own, other = make_study(), make_study(department=elsewhere, priority=0)
    outcome = assign([own.pk, other.pk], radiologist, coordinator)
    assert outcome.changed == [own.pk]
    assert assign([other.pk], None, radiologist).changed == []
    assert reservation.reserve_next(radiologist) == own
    assert reservation.reserve_next(coordinator) == other
    assert reservation.peek_next(radiologist, Study.objects.get(pk=own.pk)) == []
