"""Forms of the operations pages."""

from django import forms

from webportal.inference.bulk import Change
from webportal.records.choices import Priority


class PauseForm(forms.Form):
    """What to pause or resume: a priority by its name, or nothing for the whole queue."""

    which = forms.ChoiceField(
        choices=[(each.name.lower(), each.label) for each in Priority], required=False
    )

    @property
    def priority(self) -> Priority | None:
        """The priority; None for the whole queue."""
        name = self.cleaned_data["which"]
        return Priority[name.upper()] if name else None


class BulkForm(forms.Form):
    """What to do to all jobs with a reason."""

    change = forms.ChoiceField(choices=Change.choices)
    reason = forms.CharField(max_length=40)
