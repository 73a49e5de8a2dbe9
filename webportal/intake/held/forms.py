"""Form in which a person corrects the header of a held file."""

from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from webportal.intake.held.resolution import Correction, Question
from webportal.intake.identity import Identity
from webportal.records.ages import contradicts
from webportal.records.forms import PatientForm, check_study_date, form_values
from webportal.records.identifiers import LONGEST, validate_identifier
from webportal.records.models import Patient


class HeldFileForm(PatientForm):
    """Whose image a held file is and when it was made, filled in with what the file says."""

    # The form may be out of sight, where a browser could not say what it wants filled in.
    use_required_attribute = False

    accession_number = forms.CharField(
        label=_("Accession number"),
        max_length=LONGEST,
        required=False,
        validators=[validate_identifier],
    )
    study_date = forms.DateField(
        label=_("Date of the study"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text=_("Leave it empty where nobody knows it."),
    )

    def clean(self) -> dict[str, Any]:
        """Refuse a study that the date of birth contradicts, or in the future."""
        fields = self.cleaned_data
        try:
            check_study_date(fields.get("study_date"))
        except forms.ValidationError as problem:
            self.add_error("study_date", problem)
        if contradicts(fields.get("birth_date"), fields.get("study_date")):
            words = gettext("The date of birth and the date of the study contradict each other.")
            self.add_error("study_date", words)
        return fields

    def correction(self, asked: Question) -> Correction:
        """Return what a valid form says.

        A name that was left as it is keeps the parts that the form does not show.
        """
        values = self.values()
        accession_number, study_date = values.pop("accession_number"), values.pop("study_date")
        if not {"family_name", "given_name"} & set(self.changed_data):
            values["name"] = asked.claimed.name
        identity = Identity(**values)
        named = (asked.claimed.patient_id, asked.claimed.issuer)
        if (identity.patient_id, identity.issuer) == named:
            identity = Identity(**values, is_temporary=asked.claimed.is_temporary)
        return Correction(identity, accession_number, study_date)


def initial_of(asked: Question) -> dict[str, Any]:
    """Return what the file says as the form's initial values."""
    at = asked.study.performed_at
    return form_values(Patient(**vars(asked.claimed))) | {
        "accession_number": asked.study.accession_number,
        "study_date": timezone.localtime(at).date() if at else None,
    }
