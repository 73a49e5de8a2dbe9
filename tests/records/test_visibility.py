"""Visibility: the studies of a user's departments, and of a patient in an emergency."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.factories import make_job, make_patient, make_radiograph, make_study
from webportal.accounts.models import Department, Role, User
from webportal.inference.models import Job
from webportal.records.models import EmergencyAccess, Patient, Radiograph, Study
from webportal.records.visibility import keep_scopes

MakeUser = Callable[..., User]


@pytest.fixture
def person(make_user: MakeUser) -> User:
    """Somebody of the department General."""
    return make_user(Role.RADIOLOGIST)


@pytest.fixture
def elsewhere(person: User) -> Department:
    """A department that is not the person's."""
    return Department.objects.create(name="Elsewhere")


def test_with_a_single_department_everybody_sees_everything(person: User) -> None:
    study = make_study()
    assert list(Study.objects.visible_to(person)) == [study]


def test_studies_of_other_departments_do_not_exist_for_the_user(
    person: User, elsewhere: Department
) -> None:
    own, other = make_study(), make_study(department=elsewhere)
    assert list(Study.objects.visible_to(person)) == [own]
    assert list(Patient.objects.visible_to(person)) == [own.patient]
    make_radiograph(other)
    make_job(make_radiograph(own))
    assert {each.study for each in Radiograph.objects.visible_to(person)} == {own}
    assert {each.study for each in Job.objects.visible_to(person)} == {own}
    person.departments.add(elsewhere)
    assert set(Study.objects.visible_to(person)) == {own, other}


def test_a_user_without_a_department_sees_nothing(person: User, elsewhere: Department) -> None:
    make_study()
    person.departments.clear()
    assert not Study.objects.visible_to(person).exists()
    assert not Patient.objects.visible_to(person).exists()


def test_access_to_all_departments_includes_future_ones(
    person: User, elsewhere: Department
) -> None:
    study = make_study(department=elsewhere)
    without_study = make_patient()
    person.sees_all_departments = True
    assert list(Study.objects.visible_to(person)) == [study]
    assert without_study in Patient.objects.visible_to(person)


def test_an_emergency_opens_one_patient_until_it_ends(person: User, elsewhere: Department) -> None:
    wanted, other = make_study(department=elsewhere), make_study(department=elsewhere)
    now = timezone.now()
    access = EmergencyAccess.objects.create(
        person=person,
        patient=wanted.patient,
        reason="Trauma room",
        began_at=now,
        ends_at=now + timedelta(hours=1),
    )
    assert list(Study.objects.visible_to(person)) == [wanted]
    assert list(Patient.objects.visible_to(person)) == [wanted.patient]
    assert other.patient not in Patient.objects.visible_to(person)
    access.ends_at = now
    access.save()
    assert not Study.objects.visible_to(person).exists()


def test_new_users_belong_to_the_single_department(
    person: User, elsewhere: Department, make_user: MakeUser
) -> None:
    assert [each.name for each in person.departments.all()] == ["General"]
    assert not make_user(Role.UPLOADER).departments.exists()


def asked(queries: CaptureQueriesContext) -> int:
    """How often it was asked to which departments somebody belongs."""
    return sum("FROM accounts_membership" in each["sql"] for each in queries)


def test_a_page_asks_once_what_its_reader_sees(
    person: User, elsewhere: Department, sign_in: Callable[[User], Client]
) -> None:
    make_study()
    make_study(department=elsewhere)
    browser = sign_in(person)
    with CaptureQueriesContext(connection) as queries:
        assert browser.get("/worklist").text.count('id="row-') == 1
    assert asked(queries) == 1
    # Nothing is kept for the next page.
    person.departments.add(elsewhere)
    assert browser.get("/worklist").text.count('id="row-') == 2
    person.departments.clear()
    assert browser.get("/worklist").text.count('id="row-') == 0


def test_a_request_that_changes_departments_sees_the_change(
    person: User, elsewhere: Department
) -> None:
    make_study(department=elsewhere)

    def view(request: HttpRequest) -> HttpResponse:
        assert not Study.objects.visible_to(person).exists()
        person.departments.add(elsewhere)
        return HttpResponse(str(Study.objects.visible_to(person).count()))

    response = keep_scopes(view)(RequestFactory().post("/"))
    assert isinstance(response, HttpResponse)
    assert response.text == "1"
