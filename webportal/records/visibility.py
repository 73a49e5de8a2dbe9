"""Which studies a person may see: those of their departments, and of a patient in an emergency.

Everything that works on behalf of a person starts from `Model.objects.visible_to(person)`;
`tools/scoping.py` finds what does not. An object that is not visible is answered as one that does
not exist.
"""

import uuid
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import ClassVar, Self, TypeVar

from django.db import connection, models
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

from webportal.accounts.models import Department, User

# In SQL, because nearly every request asks for it, and composing it took longer than running it.
_SCOPE = """
SELECT id, NULL, id IN (
    SELECT department_id FROM accounts_membership WHERE user_id = %(person)s
) FROM accounts_department
UNION ALL SELECT NULL, patient_id, TRUE FROM records_emergencyaccess
WHERE person_id = %(person)s AND ends_at > %(now)s
"""


@dataclass(frozen=True)
class Scope:
    """The departments a person sees (None: all), and the patients of an emergency."""

    departments: frozenset[uuid.UUID] | None
    patients: frozenset[uuid.UUID] = frozenset()

    def of_departments(self, path: str = "department") -> Q:
        """A condition on the department alone; `path` leads to it."""
        if self.departments is None:
            return Q()
        return Q(**{f"{path}__in": sorted(self.departments)})

    def of_studies(self, path: str = "") -> Q:
        """A condition on a study, to which `path` leads: `""`, or such as `"radiograph__study"`."""
        prefix = f"{path}__" if path else ""
        found = self.of_departments(f"{prefix}department")
        if self.departments is not None and self.patients:
            found |= Q(**{f"{prefix}patient__in": sorted(self.patients)})
        return found

    def sql(self, column: str = "department_id") -> str:
        """The condition of `of_departments` in SQL, with the parameter `departments`."""
        return "TRUE" if self.departments is None else f"{column} = ANY(%(departments)s)"

    @property
    def parameters(self) -> dict[str, list[uuid.UUID]]:
        """The parameters of `sql`."""
        return {} if self.departments is None else {"departments": sorted(self.departments)}


# What this request has found, by person; None where nothing is kept.
_kept: ContextVar[dict[uuid.UUID, Scope] | None] = ContextVar("scopes", default=None)


def keep_scopes(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware: while a page is made, ask only once what its reader sees; most ask five times.

    Only for requests that change nothing, so that none sees less or more than it has just changed.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if request.method not in ("GET", "HEAD"):
            return get_response(request)
        token = _kept.set({})
        try:
            return get_response(request)
        finally:
            _kept.reset(token)

    return middleware


def scope_of(person: User) -> Scope:
    """What the person sees now; ids, not a subquery, so that the worklist uses its indexes."""
    if person.sees_all_departments:
        return Scope(None)
    kept = _kept.get()
    if kept is None:
        return _scope_of(person)
    if person.pk not in kept:
        kept[person.pk] = _scope_of(person)
    return kept[person.pk]


def _scope_of(person: User) -> Scope:
    with connection.cursor() as cursor:
        cursor.execute(_SCOPE, {"person": person.pk, "now": timezone.now()})
        found = cursor.fetchall()
    if all(is_own for _, _, is_own in found):
        return Scope(None)
    return Scope(
        frozenset(department for department, _, is_own in found if department and is_own),
        frozenset(patient for _, patient, _ in found if patient),
    )


def count_studies(person: User) -> Count:
    """How many studies of a patient the person sees, as an annotation."""
    return Count("studies", filter=of_patient(person))


def of_patient(person: User) -> Q | None:
    """The condition on the studies of a patient, for aggregates; None for all of them."""
    return scope_of(person).of_studies("studies") or None


def sees_all_of(person: User, patient: uuid.UUID) -> bool:
    """Whether the person sees every study of a patient, wherever it belongs."""
    scope = scope_of(person)
    return scope.departments is None or patient in scope.patients


def has_departments() -> bool:
    """Whether there is more than one department; otherwise the pages show nothing of them."""
    return Department.objects.count() > 1


_M = TypeVar("_M", bound=models.Model)


class VisibleQuerySet(models.QuerySet[_M]):
    """Rows that belong to a study, or to a batch."""

    def visible_to(self, person: User) -> Self:
        """The rows that the person may see."""
        return self.filter(visible(self.model, scope_of(person)))

    def in_departments_of(self, person: User) -> Self:
        """Those of the person's departments: for lists, which an emergency opens nothing of."""
        return self.filter(visible(self.model, Scope(scope_of(person).departments)))


class OfStudy(models.Model):
    """A row of a study; `study_path` leads to it."""

    study_path: ClassVar[str] = "study"

    objects = VisibleQuerySet.as_manager()

    class Meta:
        abstract = True

    @classmethod
    def visible_in(cls, scope: Scope) -> Q:
        """The condition on its rows."""
        return scope.of_studies(cls.study_path)


def visible(model: type[models.Model], scope: Scope) -> Q:
    """The condition on rows of a model."""
    condition: Q = model.visible_in(scope)  # type: ignore[attr-defined]
    return condition
