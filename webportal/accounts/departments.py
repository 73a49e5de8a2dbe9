"""Departments: adding and renaming them, memberships, and the choice for new studies."""

import uuid
from collections.abc import Collection
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from webportal.accounts import separation
from webportal.accounts.models import Department, Membership, User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.refusals import Conflict

NO_DEPARTMENT = gettext_lazy(
    "You are not a member of any department. Ask hospital IT to add you to one."
)


class DepartmentError(Conflict):
    """The department cannot be chosen or changed this way; the message says what to do."""


def departments_of(person: User) -> QuerySet[Department]:
    """The departments whose studies the user can see."""
    if person.sees_all_departments:
        return Department.objects.all()
    return Department.objects.filter(people=person)


def who_sees(department: uuid.UUID) -> Q:
    """The users who can see a department's studies."""
    members = Membership.objects.filter(department=department, user=OuterRef("pk"))
    return Q(sees_all_departments=True) | Q(Exists(members))


def sees(person: str, department: str) -> Q:
    """Condition that a row's user can see its department; both arguments are field paths."""
    members = Membership.objects.filter(user=OuterRef(person), department=OuterRef(department))
    return Q(**{f"{person}__sees_all_departments": True}) | Q(Exists(members))


def shares_department(person: User) -> Q:
    """The users who can see at least one of the user's departments."""
    if person.sees_all_departments:
        return Q()
    own = Department.objects.filter(people=person)
    members = Membership.objects.filter(department__in=own, user=OuterRef("pk"))
    return Q(sees_all_departments=True) | Q(Exists(members))


def only_department() -> Department | None:
    """The only department; None if there are several."""
    found = list(Department.objects.all()[:2])
    return found[0] if len(found) == 1 else None


def choose(department: Department | None, by: User) -> Department:
    """Return the department for new studies: the given one, or the user's only one.

    For users who see all departments, the only one that they belong to. Raises DepartmentError if
    the user does not see the given one, or if none is given and the user has none or several. DICOM
    nodes have a configured department.
    """
    if by.is_node and department is not None:
        return department
    own = list(departments_of(by))
    if department is None:
        for possible in (own, list(by.departments.all())):
            if len(possible) == 1:
                return possible[0]
        raise DepartmentError(
            _("Choose the department that the studies belong to.") if own else str(NO_DEPARTMENT)
        )
    if department not in own:
        raise DepartmentError(_("You are not a member of that department. Choose one of yours."))
    return department


def named(text: str, by: User) -> Department:
    """Return the department of this id or exact name; raises DepartmentError as `choose` does."""
    for each in departments_of(by):
        if text in (str(each.pk), each.name):
            return each
    raise DepartmentError(_("You are not a member of that department. Choose one of yours."))


@transaction.atomic
def set_memberships(
    user: User,
    by: User | str,
    *,
    departments: Collection[Department],
    heads: Collection[Department] = (),
    sees_all: bool = False,
) -> None:
    """Replace a user's departments.

    `heads` are those whose emergency accesses the user is notified of.

    Raises DepartmentError for the user's own account if roles are kept separate.
    """
    locked = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    before = memberships_of(locked)
    heads = [each for each in heads if each in departments]
    after = {
        "departments": sorted(str(each.pk) for each in departments),
        "head_of": sorted(str(each.pk) for each in heads),
        "sees_all_departments": sees_all,
    }
    changed = [name for name in after if after[name] != before[name]]
    if not changed:
        return
    if locked == by and separation.is_enforced():
        raise DepartmentError(
            _("Nobody may change their own departments. Ask another member of hospital IT.")
        )
    locked.memberships.exclude(department__in=departments).delete()
    for department in departments:
        Membership.objects.update_or_create(
            user=locked, department=department, defaults={"is_head": department in heads}
        )
    locked.sees_all_departments = user.sees_all_departments = sees_all
    locked.save(update_fields=["sees_all_departments"])
    detail = {name: {"from": before[name], "to": after[name]} for name in changed}
    append(Event(Action.USER_CHANGED, "user", user.pk, detail=detail), by)


def memberships_of(user: User) -> dict[str, Any]:
    """A user's departments, in the format of the audit trail."""
    members = list(user.memberships.all())
    return {
        "departments": sorted(str(each.department_id) for each in members),
        "head_of": sorted(str(each.department_id) for each in members if each.is_head),
        "sees_all_departments": user.sees_all_departments,
    }


@transaction.atomic
def create_department(name: str, by: User) -> Department:
    """Add a department without members. Raises DepartmentError if the name is in use."""
    department = Department(name=name)
    _save(department)
    detail = {"name": name}
    append(Event(Action.DEPARTMENT_CREATED, "department", department.pk, detail=detail), by)
    return department


@transaction.atomic
def rename_department(department: Department, name: str, by: User) -> None:
    """Rename a department. Raises DepartmentError if the name is in use."""
    locked = Department.objects.select_for_update().get(pk=department.pk)
    if locked.name == name:
        return
    detail = {"name": {"from": locked.name, "to": name}}
    locked.name = name
    _save(locked)
    append(Event(Action.DEPARTMENT_CHANGED, "department", locked.pk, detail=detail), by)


def _save(department: Department) -> None:
    try:
        with transaction.atomic():
            department.save()
    except IntegrityError as error:
        raise DepartmentError(_("There is already a department with that name.")) from error
