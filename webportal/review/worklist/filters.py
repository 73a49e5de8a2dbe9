"""Filters of the worklist: their form, and the query they make."""

import uuid
from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from webportal.accounts.departments import shares_department
from webportal.accounts.models import Role, User
from webportal.inference.models import JobState
from webportal.records.choices import Category, Concern, Priority, ReadingState
from webportal.records.models import Study
from webportal.records.searches import filter_by_text
from webportal.review.reads.blinding import closed_results, hidden_results, waiting_blind
from webportal.review.study.progress import in_state
from webportal.review.worklist.order import (
    BY_RESULT,
    EVERY_STATE,
    ORDERS,
    SECOND_READS,
    SortOrder,
    default_order,
    order_in,
)

QUEUE_STATES = [
    (JobState.QUEUED.value, _("Queued")),
    (JobState.RUNNING.value, _("Being analysed")),
    (JobState.QUARANTINED.value, _("Model failed")),
    (JobState.CANCELLED.value, _("Cancelled")),
]
# Outside its purpose is grouped with not assessable: both need a person.
RESULTS = [
    (Category.LIKELY.value, Category.LIKELY.label),
    (Category.INDETERMINATE.value, Category.INDETERMINATE.label),
    (Category.NOT_ASSESSABLE.value, _("Not assessable, or outside its purpose")),
    (Category.UNLIKELY.value, Category.UNLIKELY.label),
]
MINE, NOBODYS = "me", "none"
# Query parameters that a saved view does not keep: a search refers to patient data in one person's
# session, the others to a position in the list.
NOT_KEPT = ("search",)


def readers(by: User) -> QuerySet[User]:
    """The people to whom somebody can assign studies: radiologists of the same departments."""
    people = User.objects.filter(is_active=True, roles__contains=[Role.RADIOLOGIST])
    return people.filter(shares_department(by)).order_by("full_name", "username")


class WorklistFilter(forms.Form):
    """Query parameters of the worklist. They name no patient."""

    state = forms.ChoiceField(
        choices=[*ReadingState.choices, (SECOND_READS, _("Second reads")), (EVERY_STATE, _("All"))],
        required=False,
        widget=forms.HiddenInput,
    )
    category = forms.ChoiceField(
        label=_("Result"),
        choices=[("", _("Any model result")), *RESULTS, ("none", _("No model result yet"))],
        required=False,
    )
    priority = forms.TypedChoiceField(
        label=_("Priority"),
        choices=[("", _("Any priority")), *Priority.choices],
        required=False,
        coerce=int,
        empty_value=None,
    )
    queue = forms.ChoiceField(
        label=_("Progress"), choices=[("", _("Any progress")), *QUEUE_STATES], required=False
    )
    assigned = forms.ChoiceField(label=_("Reader"), required=False)
    since = forms.DateField(
        label=_("Received from"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    until = forms.DateField(
        label=_("Received until"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    order = forms.ChoiceField(
        label=_("Sort by"),
        choices=[(name, order.label) for name, order in ORDERS.items()],
        required=False,
    )
    search = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, data: Any, people: list[User]) -> None:
        super().__init__(data)
        assigned = self.fields["assigned"]
        assert isinstance(assigned, forms.ChoiceField)
        assigned.choices = [
            ("", _("Any reader")),
            (MINE, _("Assigned to me")),
            (NOBODYS, _("Assigned to nobody")),
            *((str(person.pk), str(person)) for person in people),
        ]
        for field in self.fields.values():
            is_select = isinstance(field.widget, forms.Select)
            style = "form-select form-select-sm" if is_select else "form-control form-control-sm"
            field.widget.attrs["class"] = style

    def chosen(self) -> dict[str, Any]:
        """Return the valid values; invalid ones count as not given."""
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value not in ("", None)}

    def to_keep(self) -> dict[str, str]:
        """Return the choices as query parameters, without the search."""
        return {name: str(value) for name, value in self.chosen().items() if name not in NOT_KEPT}


def state_of(chosen: dict[str, Any]) -> str:
    """The reading state shown: unread by default."""
    return str(chosen.get("state", ReadingState.UNREAD))


def order_of(chosen: dict[str, Any], *, is_closed: bool = False) -> SortOrder:
    """The chosen order, or the default of the reading state.

    It reveals no result if those of unread studies are closed to the reader.
    """
    state = state_of(chosen)
    closed = is_closed and state != ReadingState.SIGNED
    return order_in(state, chosen.get("order", default_order(state)), is_closed=closed)


def matching(
    chosen: dict[str, Any], text: str, reader: User, *, is_closed: bool = False
) -> QuerySet[Study]:
    """Return the matching studies, unordered, without results that `reader` must not see.

    Studies whose result is hidden from the reader are separate from the unread ones and never
    filtered or sorted by a result. If results are closed because the reader reads first, those
    studies are left out of any filter by result.
    """
    studies = _in_state(chosen, reader)
    if is_closed and _is_by_result(chosen):
        studies = studies.exclude(closed_results(reader))
    if "category" in chosen:
        no_result = chosen["category"] == "none"
        studies = studies.filter(
            concern=Concern.NO_RESULT if no_result else Concern.of(chosen["category"])
        )
    if "priority" in chosen:
        studies = studies.filter(priority=chosen["priority"])
    if "queue" in chosen:
        studies = studies.filter(in_state(chosen["queue"]))
    if "assigned" in chosen:
        studies = studies.filter(assigned_reader=_reader_of(chosen["assigned"], reader))
    if "since" in chosen:
        studies = studies.filter(created_at__gte=_start_of(chosen["since"]))
    # No day follows the calendar's last one, so it excludes nothing.
    if chosen.get("until", date.max) < date.max:
        studies = studies.filter(created_at__lt=_start_of(chosen["until"] + timedelta(days=1)))
    return filter_by_text(studies, text)


def _in_state(chosen: dict[str, Any], reader: User) -> QuerySet[Study]:
    """The studies of the reading state, without those that the filter would reveal."""
    studies, state = Study.objects.in_departments_of(reader), state_of(chosen)
    hidden = hidden_results(reader)
    is_by_result = _is_by_result(chosen)
    if state == SECOND_READS:
        return studies.none() if is_by_result else studies.filter(waiting_blind(reader))
    order = chosen.get("order", default_order(state))
    if state == ReadingState.UNREAD or is_by_result or order in BY_RESULT:
        studies = studies.exclude(hidden)
    return studies if state == EVERY_STATE else studies.filter(reading_state=state)


def _is_by_result(chosen: dict[str, Any]) -> bool:
    # The analysis progress reveals that there is no result yet.
    return "category" in chosen or "queue" in chosen


def _reader_of(assigned: str, reader: User) -> uuid.UUID | None:
    if assigned == NOBODYS:
        return None
    if assigned == MINE:
        return reader.pk
    return uuid.UUID(assigned)


def _start_of(day: date) -> datetime:
    """Local midnight of the day; compared as a timestamp so that the index is used."""
    return timezone.make_aware(datetime.combine(day, time.min))
