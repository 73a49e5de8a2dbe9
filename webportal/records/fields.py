"""The fields of a patient's identity and of a case record, with lengths and checks, in one place.

Forms are built from these classes, the columns of the CSV sheet have their names, and REST takes
its fields from the forms (`webportal.api.forms`).
"""

from datetime import date
from typing import Any

from django import forms
from django.core.validators import RegexValidator
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from webportal.records.ages import FIRST_RADIOGRAPH, OLDEST_YEARS, contradicts
from webportal.records.choices import Sex, Symptom
from webportal.records.identifiers import LONGEST, validate_identifier, validate_name

#: Maximum length of typed input; a file's values may be longer, and are kept.
LONGEST_TEXTS = {
    "family_name": 64,
    "given_name": 100,
    "referring_physician": 64,
    "indication": 2000,
    "history": 4000,
}
# Characters that separate values and components in DICOM text (PS3.5 6.2) and control characters.
plain_text = RegexValidator(
    r"^[^\\^=\x00-\x1f]*$", _("Leave out the characters \\, ^ and = and line breaks.")
)
#: For every field that takes an identifier or a part of a name.
IDENTIFIER = (plain_text, validate_identifier)
NAME = (plain_text, validate_name)
ISO_DATE = "%Y-%m-%d"


UNKNOWN_SEX = _("Write the sex as F, M or O, or leave it out.")


def _date_field(label: Any, invalid: Any, widget: forms.Widget | None = None) -> forms.DateField:
    return forms.DateField(
        label=label,
        required=False,
        input_formats=[ISO_DATE],
        widget=widget or forms.DateInput(attrs={"type": "date"}, format=ISO_DATE),
        error_messages={"invalid": invalid},
    )


def birth_date_field(widget: forms.Widget | None = None) -> forms.DateField:
    """A field for a date of birth; in a browser's date picker, unless a widget is given."""
    return _date_field(_("Date of birth"), _("Enter the date of birth as YYYY-MM-DD."), widget)


class PatientFields(forms.Form):
    """Who a patient is."""

    patient_id = forms.CharField(
        label=_("Patient ID"),
        max_length=LONGEST,
        validators=IDENTIFIER,
        error_messages={"required": _("Enter the Patient ID.")},
    )
    issuer = forms.CharField(
        label=_("Issuer of Patient ID"),
        max_length=LONGEST,
        required=False,
        validators=IDENTIFIER,
        help_text=_("Who gave out the Patient ID, if it is another hospital."),
    )
    family_name = forms.CharField(
        label=_("Family name"),
        max_length=LONGEST_TEXTS["family_name"],
        required=False,
        validators=NAME,
    )
    given_name = forms.CharField(
        label=_("Given names"),
        max_length=LONGEST_TEXTS["given_name"],
        required=False,
        validators=NAME,
    )
    birth_date = birth_date_field()
    sex = forms.ChoiceField(
        label=_("Sex"),
        required=False,
        choices=[("", _("Not known")), *Sex.choices],
        error_messages={"invalid_choice": UNKNOWN_SEX},
    )

    def clean_birth_date(self) -> date | None:
        """Refuse a birth date in the future, or implausibly long ago."""
        day: date | None = self.cleaned_data["birth_date"]
        if day is not None and day > timezone.localdate():
            raise forms.ValidationError(gettext("The date of birth is in the future."))
        if contradicts(day, timezone.localdate()):
            words = gettext("The date of birth is more than %(years)d years ago.")
            raise forms.ValidationError(words % {"years": OLDEST_YEARS})
        return day


class StudyFields(forms.Form):
    """Which study of the patient it is."""

    accession_number = forms.CharField(
        label=_("Accession number"), max_length=LONGEST, required=False, validators=IDENTIFIER
    )
    study_date = _date_field(
        _("Date of the study"), _("Enter the date of the study as YYYY-MM-DD.")
    )

    def clean_study_date(self) -> date | None:
        """Refuse a study in the future, or before there were X-rays."""
        day: date | None = self.cleaned_data["study_date"]
        if day is not None and day > timezone.localdate():
            raise forms.ValidationError(gettext("The date of the study is in the future."))
        if day is not None and day < FIRST_RADIOGRAPH:
            raise forms.ValidationError(gettext("There were no X-rays before November 1895."))
        return day

    def clean(self) -> dict[str, Any]:
        """Refuse a study that the date of birth contradicts."""
        super().clean()
        fields = self.cleaned_data
        if contradicts(fields.get("birth_date"), fields.get("study_date")):
            words = gettext("The date of birth and the date of the study contradict each other.")
            self.add_error("study_date", words)
        return fields


class CaseFields(StudyFields):
    """Why the study was made."""

    referring_physician = forms.CharField(
        label=_("Referring clinician"),
        max_length=LONGEST_TEXTS["referring_physician"],
        required=False,
        validators=NAME,
    )
    indication = forms.CharField(
        label=_("Indication"),
        max_length=LONGEST_TEXTS["indication"],
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    symptoms = forms.MultipleChoiceField(
        label=_("Symptoms"),
        required=False,
        choices=Symptom.choices,
        widget=forms.CheckboxSelectMultiple,
        error_messages={
            "invalid_choice": format_lazy(
                _("%(value)s is not a known symptom; known are {known}."),
                known=", ".join(Symptom.values),
            )
        },
    )
    history = forms.CharField(
        label=_("Relevant history"),
        max_length=LONGEST_TEXTS["history"],
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
