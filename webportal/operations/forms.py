"""Forms of the operations pages."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from webportal.inference.bulk import BulkChange
from webportal.operations.capacity.measured import Measured
from webportal.records.choices import Priority


class PauseForm(forms.Form):
    """The priority to pause or resume, by its name; empty for the whole queue."""

    which = forms.ChoiceField(
        choices=[(each.name.lower(), each.label) for each in Priority], required=False
    )

    @property
    def priority(self) -> Priority | None:
        """The priority; None for the whole queue."""
        name = self.cleaned_data["which"]
        return Priority[name.upper()] if name else None


class BulkJobsForm(forms.Form):
    """Selects a reason, and an action on all jobs that failed for it."""

    change = forms.ChoiceField(choices=BulkChange.choices)
    reason = forms.CharField(max_length=40)


class SetAsideForm(forms.Form):
    """The audit entry to set aside, and the server of the export."""

    address = forms.CharField(max_length=300)
    sequence = forms.IntegerField(min_value=1, max_value=2**63 - 1)


class CapacityForm(forms.Form):
    """The load to plan for; its fields are filled with the measured values at first."""

    studies_per_hour = forms.FloatField(
        label=_("Studies in the busiest hour"), min_value=0.1, max_value=50_000
    )
    images_per_study = forms.FloatField(label=_("Images per study"), min_value=1, max_value=100)
    within = forms.IntegerField(
        label=_("Result within (seconds)"), min_value=1, max_value=86_400, initial=60
    )
    percentile = forms.TypedChoiceField(
        label=_("Share of the images"),
        choices=[(each, f"{each} %") for each in (90, 95, 99)],
        initial=95,
        coerce=int,
    )
    portals = forms.IntegerField(label=_("Portals"), min_value=1, max_value=1000, initial=1)
    profile = forms.ChoiceField(label=_("Hours of the day"))
    device = forms.ChoiceField(label=_("Device of the workers"))

    def __init__(self, *args: Any, found: Measured, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if found.studies_in_busiest_hour is not None:
            self.initial["studies_per_hour"] = round(found.studies_in_busiest_hour, 1)
        self.initial["images_per_study"] = round(found.images_per_study or 1, 2)
        self._choose("profile", [("flat", _("all equally busy"))])
        if found.profile is not None:
            self._choose(
                "profile", [("measured", _("as measured here")), ("flat", _("all equally busy"))]
            )
        self._choose("device", [(each.name, each.name) for each in found.devices])
        if len(found.devices) < 2:
            del self.fields["device"]
        for field in self.fields.values():
            is_choice = isinstance(field, forms.ChoiceField)
            field.widget.attrs["class"] = "form-select" if is_choice else "form-control"

    def _choose(self, name: str, choices: list[tuple[str, Any]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = choices
