"""Forms for patients."""

from datetime import date
from typing import Any

from django import forms
from django.core.validators import RegexValidator
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from webportal.records.ages import FIRST_RADIOGRAPH, OLDEST_YEARS, contradicts
from webportal.records.choices import Sex
from webportal.records.identifiers import LONGEST, validate_identifier, validate_name
from webportal.records.models import Patient, name_components

LONGEST_REASON = 1000
# Characters that separate values and components in DICOM text (PS3.5 6.2) and control characters.
plain_text = RegexValidator(
    r"^[^\\^=\x00-\x1f]*$", _("Leave out the characters \\, ^ and = and line breaks.")
)
#: For every form, CSV sheet and API request with an identifier or a part of a name.
IDENTIFIER = (plain_text, validate_identifier)
NAME = (plain_text, validate_name)


def check_birth_date(day: date | None) -> None:
    """Raise ValidationError for a birth date in the future or impossibly long ago."""
    if day is None:
        return
    if day > timezone.localdate():
        raise forms.ValidationError(gettext("The date of birth is in the future."))
    if contradicts(day, timezone.localdate()):
        words = gettext("The date of birth is more than %(years)d years ago.")
        raise forms.ValidationError(words % {"years": OLDEST_YEARS})


def check_study_date(day: date | None) -> None:
    """Raise ValidationError for a study date in the future, or before there were X-rays."""
    if day is None:
        return
    if day > timezone.localdate():
        raise forms.ValidationError(gettext("The date of the study is in the future."))
    if day < FIRST_RADIOGRAPH:
        raise forms.ValidationError(gettext("There were no X-rays before November 1895."))


class PatientForm(forms.Form):
    """A patient's identity."""

    patient_id = forms.CharField(label=_("Patient ID"), max_length=LONGEST, validators=IDENTIFIER)
    issuer = forms.CharField(
        label=_("Issuer of Patient ID"),
        max_length=LONGEST,
        required=False,
        validators=IDENTIFIER,
        help_text=_("Who gave out the Patient ID, if it is another hospital."),
    )
    family_name = forms.CharField(
        label=_("Family name"), max_length=64, required=False, validators=NAME
    )
    given_name = forms.CharField(
        label=_("Given names"), max_length=100, required=False, validators=NAME
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
        """Reject a birth date in the future or impossibly long ago."""
        birth_date: date | None = self.cleaned_data["birth_date"]
        check_birth_date(birth_date)
        return birth_date

    def values(self) -> dict[str, Any]:
        """Return the values entered, by model field name."""
        values = dict(self.cleaned_data)
        names = [values.pop("family_name"), values.pop("given_name")]
        return values | {"name": "^".join(names).rstrip("^")}


class CorrectionForm(PatientForm):
    """A patient's identity, corrected after a signature."""

    reason = forms.CharField(
        label=_("Reason for the correction"),
        max_length=LONGEST_REASON,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_(
            "It is shown beside every read that was signed before, and in the audit trail."
        ),
    )

    def values(self) -> dict[str, Any]:
        """Return the values entered, by model field name, without the reason."""
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
