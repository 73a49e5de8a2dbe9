"""The form that starts a shadow trial."""

from datetime import datetime, time, timedelta

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from webportal.inference.models import ModelVersion

LONGEST_DAYS = 366


class ShadowForm(forms.Form):
    """Selects the version, the share of studies, and the end of a trial."""

    model = forms.ModelChoiceField(
        ModelVersion.objects.filter(is_active=False),
        label=_("Version"),
        empty_label=None,
    )
    share = forms.IntegerField(
        label=_("Percentage of studies"), min_value=1, max_value=100, initial=100
    )
    until = forms.DateField(
        label=_("Last day"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        today = timezone.localdate()
        until = self.fields["until"]
        until.initial = today + timedelta(days=28)
        until.widget.attrs |= {
            "min": today.isoformat(),
            "max": (today + timedelta(days=LONGEST_DAYS)).isoformat(),
        }
        for name, field in self.fields.items():
            style = "form-select" if name == "model" else "form-control"
            field.widget.attrs["class"] = style
        self.fields["model"].widget.attrs["lang"] = "en"

    def clean_until(self) -> datetime:
        """The end of the last day."""
        day = self.cleaned_data["until"]
        if not 0 <= (day - timezone.localdate()).days <= LONGEST_DAYS:
            raise forms.ValidationError(_("Choose a day from today on, within a year."))
        return timezone.make_aware(datetime.combine(day + timedelta(days=1), time()))
