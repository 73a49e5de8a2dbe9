"""The agreement page."""

from dataclasses import dataclass
from datetime import date

from django import forms
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from webportal.accounts.models import Role, User
from webportal.accounts.roles import SignedInRequest, allow
from webportal.review.reports.agreement import (
    Agreement,
    reader_against_reader,
    readers_against_model,
    reads_between,
)

AXIS_START, AXIS_WIDTH = 6, 228


@dataclass(frozen=True)
class AgreementRow:
    """An agreement with its label, and kappa and its interval on an axis from -1 to 1."""

    label: str
    first: str
    second: str
    figures: Agreement

    @property
    def mark(self) -> int:
        """Position of kappa on the axis."""
        return _place(self.figures.kappa or 0.0)

    @property
    def low(self) -> int:
        """Start of the interval on the axis."""
        return _place(self.figures.interval[0]) if self.figures.interval else 0

    @property
    def width(self) -> int:
        """Width of the interval on the axis."""
        return _place(self.figures.interval[1]) - self.low if self.figures.interval else 0


class RangeForm(forms.Form):
    """Date range of the signed reads to count."""

    since = forms.DateField(
        label=gettext_lazy("Signed from"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date", "class": "form-control form-control-sm"}),
    )
    until = forms.DateField(
        label=gettext_lazy("until"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date", "class": "form-control form-control-sm"}),
    )


@allow(Role.RADIOLOGIST, Role.IT, Role.AUDITOR)
@require_GET
def agreement(request: SignedInRequest) -> HttpResponse:
    """Pooled figures for all; radiologists also see their own, and nobody another's."""
    form = RangeForm(request.GET)
    form.is_valid()
    days: dict[str, date | None] = form.cleaned_data
    is_radiologist = request.user.has_role(Role.RADIOLOGIST)
    rows = agreement_rows(
        days.get("since"), days.get("until"), request.user if is_radiologist else None
    )
    return render(request, "review/reports/agreement.html", {"form": form, "rows": rows})


def agreement_rows(since: date | None, until: date | None, own: User | None) -> list[AgreementRow]:
    """The figures for those days, including one reader's own."""
    reads = reads_between(since, until)
    rows = [
        AgreementRow(
            _("All readers and the model"), _("reader"), _("model"), readers_against_model(reads)
        ),
        AgreementRow(
            _("First and second readers, studies drawn at random"),
            _("first"),
            _("second"),
            reader_against_reader(reads, only_drawn=True),
        ),
        AgreementRow(
            _("First and second readers, overruled positives too"),
            _("first"),
            _("second"),
            reader_against_reader(reads),
        ),
    ]
    if own is None:
        return rows
    return [
        AgreementRow(
            _("You and the model"), _("you"), _("model"), readers_against_model(reads, own)
        ),
        AgreementRow(
            _("You and other readers"), _("you"), _("other"), reader_against_reader(reads, own)
        ),
        *rows,
    ]


def _place(value: float) -> int:
    return AXIS_START + round((value + 1) / 2 * AXIS_WIDTH)
