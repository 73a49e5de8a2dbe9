"""Filters of the list of studies."""

import django_filters
from django.db.models import QuerySet

from webportal.accounts.models import Role, User
from webportal.api.base import PRIORITIES
from webportal.api.filters import OPEN, OPENING, MomentFilter
from webportal.records.choices import Category, Priority, ReadingState
from webportal.records.models import Study
from webportal.review.reads.blinding import (
    hidden_results,
    withheld_results,
)
from webportal.review.study.progress import in_state
from webportal.review.worklist.filters import QUEUE_STATES


class StudyFilter(django_filters.FilterSet):
    """Filters of the list of studies."""

    reading_state = django_filters.ChoiceFilter(choices=ReadingState.choices)
    priority = django_filters.ChoiceFilter(choices=PRIORITIES, method="by_priority")
    category = django_filters.ChoiceFilter(
        choices=Category.choices, method="by_category", label="For radiologists only."
    )
    department = django_filters.UUIDFilter(field_name="department_id")
    patient = django_filters.UUIDFilter(field_name="patient_id")
    batch = django_filters.UUIDFilter(
        field_name="radiographs__upload_items__batch_id", distinct=True
    )
    created_after = MomentFilter(field_name="created_at", lookup_expr="gte")
    created_before = MomentFilter(field_name="created_at", lookup_expr="lt")
    assigned_reader = django_filters.UUIDFilter(field_name="assigned_reader_id")
    is_assigned = django_filters.BooleanFilter(
        field_name="assigned_reader", lookup_expr="isnull", exclude=True
    )
    analysis = django_filters.ChoiceFilter(choices=QUEUE_STATES, method="by_analysis")

    class Meta:
        model = Study
        fields: list[str] = []

    def by_priority(self, studies: QuerySet[Study], name: str, value: str) -> QuerySet[Study]:
        """Studies with this priority, given by name."""
        return studies.filter(priority=Priority[value.upper()])

    def by_analysis(self, studies: QuerySet[Study], name: str, value: str) -> QuerySet[Study]:
        """Studies with an image in this state of the queue."""
        person = getattr(self.request, "user", None)
        found = studies.filter(in_state(value))
        # Finding a study by the absence of a result would reveal it.
        return found.exclude(hidden_results(person)) if isinstance(person, User) else found

    def by_category(self, studies: QuerySet[Study], name: str, value: str) -> QuerySet[Study]:
        """Studies whose result has this category; none for callers who may not see results."""
        person = getattr(self.request, "user", None)
        if isinstance(person, User) and person.has_role(Role.RADIOLOGIST):
            is_open = (self.data or {}).get(OPENING) == OPEN
            found = studies.filter(category=value)
            return found.exclude(withheld_results(person, is_open=is_open))
        return studies.none()
