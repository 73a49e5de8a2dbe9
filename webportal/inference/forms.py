"""Form for choosing two versions to compare."""

from django import forms
from django.utils.translation import gettext_lazy as _

from webportal.inference.models import ModelVersion


class ComparisonForm(forms.Form):
    """Two registered versions."""

    first = forms.ModelChoiceField(ModelVersion.objects.all(), label=_("Version"))
    second = forms.ModelChoiceField(ModelVersion.objects.all(), label=_("beside"))

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        for field in self.fields.values():
            # Model names are English.
            field.widget.attrs |= {"class": "form-select form-select-sm w-auto", "lang": "en"}
