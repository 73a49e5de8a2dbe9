"""Departments and who belongs to them."""

from collections.abc import Callable

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from webportal.accounts import departments, services
from webportal.accounts.departments import DepartmentError
from webportal.accounts.models import GENERAL, Department, Role, User
from webportal.accounts.oidc.people import person_of
from webportal.accounts.reconciliation import CHECKS
from webportal.audit.models import AuditEntry

SignIn = Callable[[User], Client]
MakeUser = Callable[..., User]


def test_a_new_installation_has_one_department_to_which_everybody_belongs(
    uploader: User, it_person: User
) -> None:
    general = Department.objects.get()
    assert (general.pk, general.name) == (GENERAL, "General")
    made, _password = services.create_user("ann", "", [Role.RADIOLOGIST], it_person)
    assert set(general.people.all()) == {uploader, it_person, made}


def test_it_adds_and_renames_departments(it_person: User, sign_in: SignIn) -> None:
    browser = sign_in(it_person)
    browser.post("/departments", {"name": "Surgery"})
    made = Department.objects.get(name="Surgery")
    again = browser.post("/departments", {"name": "surgery"})
    assert b"already" in again.content
    browser.post(f"/departments/{made.pk}", {"name": "Trauma"})
    made.refresh_from_db()
    assert made.name == "Trauma"
    assert list(
        AuditEntry.objects.filter(object_id=str(made.pk)).values_list("action", flat=True)
    ) == ["department.changed", "department.created"]


def test_the_pages_show_no_departments_while_there_is_one(
    it_person: User, uploader: User, sign_in: SignIn
) -> None:
    browser = sign_in(it_person)
    assert b"Sees all departments" not in browser.get(f"/users/{uploader.pk}").content
    assert b"General" not in browser.get("/users").content
    departments.create_department("Surgery", it_person)
    assert b"Sees all departments" in browser.get(f"/users/{uploader.pk}").content
    assert b"General" in browser.get("/users").content


def test_it_says_to_which_departments_a_person_belongs(
    it_person: User, uploader: User, sign_in: SignIn
) -> None:
    surgery = departments.create_department("Surgery", it_person)
    sign_in(it_person).post(
        f"/users/{uploader.pk}",
        {
            "roles": ["uploader"],
            "is_active": "on",
            "departments": [surgery.pk],
            "heads": [surgery.pk],
        },
    )
    assert list(uploader.departments.all()) == [surgery]
    assert uploader.memberships.get().is_head
    entry = AuditEntry.objects.filter(action="user.changed").get()
    assert entry.detail["departments"] == {"from": [str(GENERAL)], "to": [str(surgery.pk)]}
    check = next(each for each in CHECKS if each.kind == "user")
    assert list(check.differences(uploader, [entry])) == []
    uploader.departments.add(Department.objects.get(pk=GENERAL))
    assert list(check.differences(uploader, [entry])) == ["departments"]


def test_nobody_changes_their_own_departments_where_roles_are_apart(
    it_person: User, settings: Settings
) -> None:
    settings.ROLE_SEPARATION = "always"
    surgery = departments.create_department("Surgery", it_person)
    with pytest.raises(DepartmentError):
        departments.set_memberships(it_person, it_person, departments=[surgery])


def test_groups_of_the_identity_provider_give_departments(
    it_person: User, make_user: MakeUser, settings: Settings
) -> None:
    surgery = departments.create_department("Surgery", it_person)
    make_user(Role.UPLOADER, username="ann")
    settings.OIDC_ISSUER = "https://id.example"
    settings.GROUP_DEPARTMENTS = {"ward": ("surgery", "Unknown"), "chiefs": ("*",)}
    claims = {"sub": "1", "preferred_username": "ann", "groups": ["ward"]}
    ann = person_of(claims)
    assert list(ann.departments.all()) == [surgery]
    assert not ann.sees_all_departments
    ann = person_of(claims | {"groups": ["chiefs"]})
    assert not ann.departments.exists()
    assert ann.sees_all_departments
