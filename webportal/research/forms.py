"""The form that requests an export."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from webportal.accounts.departments import departments_of
from webportal.accounts.models import User
from webportal.research.models import ResearchExport
from webportal.review.worklist.filters import RESULTS


class ExportForm(forms.ModelForm[ResearchExport]):
    """Selects the studies of an export, and states its purpose."""

    class Meta:
        model = ResearchExport
        fields = (
            *("purpose", "since", "until", "department", "category"),
            *("signed_only", "with_unstated"),
        )
        labels = {
            "purpose": _("Purpose"),
            "since": _("Examined from"),
            "until": _("Examined until"),
            "department": _("Department"),
            "category": _("Result"),
            "signed_only": _("Only studies with a signed read"),
            "with_unstated": _("Also images that do not say whether text is burnt in"),
        }
        help_texts = {
            "purpose": _(
                "For example the protocol and its approval. Kept for good and part of the export:"
                " no patient data."
            ),
            "with_unstated": _(
                "Faint text in the pixels is not found: look at each of these before you pass it"
                " on."
            ),
        }
        widgets = {
            "purpose": forms.Textarea(attrs={"rows": 2}),
            "since": forms.DateInput(attrs={"type": "date"}),
            "until": forms.DateInput(attrs={"type": "date"}),
        }

    def __init__(self, *args: Any, person: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        own = departments_of(person)
        department = self.fields["department"]
        assert isinstance(department, forms.ModelChoiceField)
        department.queryset, department.empty_label = own, str(_("All of mine"))
        if own.count() < 2:
            del self.fields["department"]
        category = self.fields["category"]
        assert isinstance(category, forms.TypedChoiceField)
        category.choices = [("", _("Any model result")), *RESULTS]
        for field in self.fields.values():
            field.widget.attrs["class"] = _style(field.widget)

    def clean(self) -> dict[str, Any]:
        """Refuse a period that ends before it begins."""
        values: dict[str, Any] = super().clean() or {}
        since, until = values.get("since"), values.get("until")
        if since and until and since > until:
            self.add_error("until", _("This is before the first day."))
        return values


def _style(widget: forms.Widget) -> str:
    if isinstance(widget, forms.CheckboxInput):
        return "form-check-input"
    return "form-select" if isinstance(widget, forms.Select) else "form-control"
