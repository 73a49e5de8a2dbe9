"""Forms for patients."""

from datetime import date
from typing import Any

from django import forms
from django.core.validators import RegexValidator
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from webportal.records.models import Patient, Sex, name_components

LONGEST_REASON = 1000
# Characters that separate values and components in DICOM text (PS3.5 6.2) and control characters.
plain_text = RegexValidator(
    r"^[^\\^=\x00-\x1f]*$", _("Leave out the characters \\, ^ and = and line breaks.")
)


class PatientForm(forms.Form):
    """Who a patient is."""

    patient_id = forms.CharField(label=_("Patient ID"), max_length=64, validators=[plain_text])
    issuer = forms.CharField(
        label=_("Issuer of Patient ID"),
        max_length=64,
        required=False,
        validators=[plain_text],
        help_text=_("Who gave out the Patient ID, if it is another hospital."),
    )
    family_name = forms.CharField(
        label=_("Family name"), max_length=64, required=False, validators=[plain_text]
    )
    given_name = forms.CharField(
        label=_("Given names"), max_length=100, required=False, validators=[plain_text]
    )
    birth_date = forms.DateField(
        label=_("Date of birth"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    sex = forms.ChoiceField(
        label=_("Sex"), required=False, choices=[("", _("Not known")), *Sex.choices]
    )

    def clean_birth_date(self) -> date | None:
        """Refuse a birth in the future."""
        birth_date: date | None = self.cleaned_data["birth_date"]
        if birth_date and birth_date > timezone.localdate():
            raise forms.ValidationError(gettext("The date of birth is in the future."))
        return birth_date

    def values(self) -> dict[str, Any]:
        """Return what was filled in, by the names of the model's fields."""
        values = dict(self.cleaned_data)
        names = [values.pop("family_name"), values.pop("given_name")]
        return values | {"name": "^".join(names).rstrip("^")}


class CorrectionForm(PatientForm):
    """Who a patient is, corrected after a signature."""

    reason = forms.CharField(
        label=_("Reason for the correction"),
        max_length=LONGEST_REASON,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_("It stands beside every read that was signed before, and in the audit trail."),
    )

    def values(self) -> dict[str, Any]:
        """Return what was filled in, by the names of the model's fields; without the reason."""
        values = super().values()
        del values["reason"]
        return values


def form_values(patient: Patient) -> dict[str, Any]:
    """Return a patient's data as PatientForm's initial values."""
    parts = name_components(patient.name)
    return {
        "patient_id": patient.patient_id,
        "issuer": patient.issuer,
        "family_name": parts[0],
        "given_name": " ".join(part for part in parts[1:] if part),
        "birth_date": patient.birth_date,
        "sex": patient.sex,
    }
