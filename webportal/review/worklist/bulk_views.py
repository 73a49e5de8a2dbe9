"""Pages of bulk actions: confirmation, and the outcome for each study."""

import uuid
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from webportal.access.shown import show
from webportal.accounts.models import Role, User
from webportal.accounts.roles import SignedInRequest, allow
from webportal.records import searches
from webportal.records.choices import Priority
from webportal.records.models import Study
from webportal.review.preferences import closes_results
from webportal.review.worklist.bulk import MOST, BulkError, BulkOutcome, assign, prioritise, rerun
from webportal.review.worklist.filters import WorklistFilter, matching, readers

ACTIONS = [
    ("assign", _("Assign")),
    ("prioritise", _("Change the priority")),
    ("rerun", _("Re-run")),
]
NOBODY = "none"
# How many studies the result lists per reason; the count includes all.
NAMED = 50


class BulkStudiesForm(forms.Form):
    """An action on the selected studies, or on all that match the URL's filters."""

    action = forms.ChoiceField(choices=ACTIONS)
    scope = forms.ChoiceField(choices=[("selected", ""), ("all", "")])
    reader = forms.CharField(required=False)
    priority = forms.TypedChoiceField(
        choices=Priority.choices, coerce=lambda value: Priority(int(value)), required=False
    )
    query = forms.CharField(required=False)

    def __init__(self, data: Any, by: User) -> None:
        super().__init__(data)
        self.by = by

    def clean_reader(self) -> User | None:
        """Return the reader, None for nobody."""
        key = self.cleaned_data["reader"]
        if key in ("", NOBODY):
            return None
        try:
            return readers(self.by).get(pk=uuid.UUID(key))
        except (ValueError, User.DoesNotExist):
            raise forms.ValidationError(
                gettext("Choose one of the radiologists; nothing was changed.")
            ) from None

    def clean(self) -> None:
        """Reject an action without its required fields."""
        super().clean()
        action = self.cleaned_data.get("action")
        if action == "assign" and not self.data.get("reader"):
            self.add_error("reader", gettext("Choose a reader first; nothing was changed."))
        if action == "prioritise" and self.cleaned_data.get("priority") in ("", None):
            self.add_error("priority", gettext("Choose a priority first; nothing was changed."))


@dataclass(frozen=True)
class Left:
    """Skipped studies with the reason; `more` of them are not listed."""

    reason: str
    studies: list[Study]
    more: int

    @property
    def number(self) -> int:
        """Total number."""
        return len(self.studies) + self.more


@allow(Role.RADIOLOGIST)
@require_POST
def bulk(request: SignedInRequest) -> HttpResponse:
    """Perform an action on selected studies; for all that match, ask first, showing the number."""
    form = BulkStudiesForm(request.POST, request.user)
    query = QueryDict(request.POST.get("query", ""))
    back = reverse("review:worklist", query=query)
    if not form.is_valid():
        for errors in form.errors.values():
            messages.warning(request, " ".join(str(error) for error in errors))
        return redirect(back)
    values = form.cleaned_data
    if values["action"] == "prioritise" and not request.user.has_role(Role.COORDINATOR):
        raise PermissionDenied
    context: dict[str, Any] = {"words": _describe_action(values), "back": back, "form": form}
    if values["scope"] == "all":
        return _confirm(request, query, context)
    try:
        outcome = _apply(values, _selected(request.POST), request.user)
    except BulkError as error:
        messages.warning(request, str(error))
        return redirect(back)
    left = _left(outcome, request.user)
    show(request, *(study for each in left for study in each.studies))
    context |= {"changed": len(outcome.changed), "left": left}
    return render(request, "review/worklist/worklist_bulk_result.html", context)


def _confirm(request: SignedInRequest, query: QueryDict, context: dict[str, Any]) -> HttpResponse:
    """Ask before changing all that match: those counted now, none that arrive later."""
    chosen = WorklistFilter(query, list(readers(request.user))).chosen()
    text = searches.recall(request, chosen.get("search", ""))
    is_closed = closes_results(request)
    found = matching(chosen, text, request.user, is_closed=is_closed).order_by()
    ids = [str(study_id) for study_id in found.values_list("pk", flat=True)[: MOST + 1]]
    context |= {"number": len(ids), "ids": ",".join(ids), "most": MOST}
    context |= {"is_too_many": len(ids) > MOST}
    return render(request, "review/worklist/worklist_bulk_confirm.html", context)


def _selected(data: QueryDict) -> list[uuid.UUID]:
    """The selected studies, or those of the confirmation, which are in a single field.

    Raises BulkError for invalid ids.
    """
    given = [*data.getlist("study"), *filter(None, data.get("studies", "").split(","))]
    try:
        return list(dict.fromkeys(uuid.UUID(key) for key in given))
    except ValueError:
        raise BulkError(
            gettext("The selection cannot be understood. Select the studies again.")
        ) from None


def _apply(values: dict[str, Any], study_ids: list[uuid.UUID], by: User) -> BulkOutcome:
    if values["action"] == "assign":
        return assign(study_ids, values["reader"], by)
    if values["action"] == "prioritise":
        return prioritise(study_ids, values["priority"], by)
    return rerun(study_ids, by)


def _describe_action(values: dict[str, Any]) -> str | Promise:
    """Description of the action, for the confirmation and the result."""
    if values["action"] == "rerun":
        return gettext("Run the model again")
    if values["action"] == "prioritise":
        return gettext("Priority: %(priority)s") % {"priority": values["priority"].label}
    if values["reader"] is None:
        return gettext("Assign to nobody")
    return gettext("Assign to %(reader)s") % {"reader": values["reader"]}


def _left(outcome: BulkOutcome, by: User) -> list[Left]:
    named = [key for ids in outcome.unchanged.values() for key in ids[:NAMED]]
    studies = Study.objects.visible_to(by).select_related("patient").in_bulk(named)
    return [
        Left(
            reason,
            [studies[key] for key in ids[:NAMED] if key in studies],
            len(ids) - sum(key in studies for key in ids[:NAMED]),
        )
        for reason, ids in outcome.unchanged.items()
    ]
