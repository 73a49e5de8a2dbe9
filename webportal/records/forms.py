"""Forms for patients."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from webportal.records.fields import PatientFields
from webportal.records.models import Patient, name_components

LONGEST_REASON = 1000


class PatientForm(PatientFields):
    """A patient's identity."""

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
