"""Form in which a person corrects the header of a held file."""

from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from webportal.intake.claimed_identity import Identity
from webportal.intake.held.resolution import Correction, Question
from webportal.records.fields import StudyFields, plain_text
from webportal.records.forms import PatientForm, form_values
from webportal.records.models import Patient


class HeldFileForm(StudyFields, PatientForm):
    """The patient and the study date of a held file, initialised from the file."""

    # The form may be hidden, where a browser could not report a missing field.
    use_required_attribute = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        number = self.fields["accession_number"]
        # A file may have several accession numbers, separated by backslashes.
        number.validators = [each for each in number.validators if each is not plain_text]
        self.fields["study_date"].help_text = _("Leave it empty where nobody knows it.")

    def correction(self, asked: Question) -> Correction:
        """Return the values of a valid form.

        An unchanged name keeps the components that the form does not show.
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
    """Return the file's values as the form's initial values."""
    at = asked.study.performed_at
    return form_values(Patient(**vars(asked.claimed))) | {
        "accession_number": asked.study.accession_number,
        "study_date": timezone.localtime(at).date() if at else None,
    }
