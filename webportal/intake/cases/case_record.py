"""Case records supplied for files."""

from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

from django import forms
from django.utils.text import format_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from webportal.records.ages import contradicts
from webportal.records.choices import Sex, Symptom
from webportal.records.forms import IDENTIFIER, NAME, check_birth_date, check_study_date
from webportal.records.identifiers import LONGEST

_MAX_NAME = 64
FORM_KEY = ""  # under which a batch keeps the one case record of its form


@dataclass(frozen=True)
class CaseRecord:
    """What a person says of a file's patient and study. `name` as DICOM writes it, FAMILY^Given."""

    patient_id: str
    issuer: str = ""
    name: str = ""
    birth_date: date | None = None
    sex: str = ""
    accession_number: str = ""
    study_date: date | None = None
    indication: str = ""
    symptoms: list[str] = field(default_factory=list)
    history: str = ""
    referring_physician: str = ""
    priority: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON that `from_json` takes."""
        fields = asdict(self)
        for name in ("birth_date", "study_date"):
            fields[name] = fields[name] and fields[name].isoformat()
        return fields

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> "CaseRecord":
        """Return the record that `as_json` was called on."""
        dates = {
            name: date.fromisoformat(fields[name]) if fields[name] else None
            for name in ("birth_date", "study_date")
        }
        return cls(**{**fields, **dates})


class CaseRecordForm(forms.Form):
    """The case record of a form, and the check of each line of a sheet."""

    # The form may be out of sight, where a browser could not say what it wants filled in.
    use_required_attribute = False

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
        label=_("Family name"), max_length=64, required=False, validators=NAME
    )
    given_name = forms.CharField(
        label=_("Given name"), max_length=64, required=False, validators=NAME
    )
    birth_date = forms.DateField(
        label=_("Date of birth"),
        required=False,
        input_formats=["%Y-%m-%d"],
        widget=forms.DateInput(attrs={"type": "date"}),
        error_messages={"invalid": _("Write the date of birth as YYYY-MM-DD.")},
    )
    sex = forms.ChoiceField(
        label=_("Sex"),
        required=False,
        choices=[("", _("Not known")), *Sex.choices],
        error_messages={"invalid_choice": _("Write the sex as F, M or O, or leave it out.")},
    )
    accession_number = forms.CharField(
        label=_("Accession number"), max_length=LONGEST, required=False, validators=IDENTIFIER
    )
    study_date = forms.DateField(
        label=_("Date of the study"),
        required=False,
        input_formats=["%Y-%m-%d"],
        widget=forms.DateInput(attrs={"type": "date"}),
        error_messages={"invalid": _("Write the date of the study as YYYY-MM-DD.")},
    )
    referring_physician = forms.CharField(
        label=_("Referring clinician"), max_length=64, required=False, validators=NAME
    )
    indication = forms.CharField(
        label=_("Indication"),
        max_length=2000,
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
        max_length=4000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def clean(self) -> dict[str, Any]:
        """Refuse a name longer than DICOM has room for (VR PN), and a study before the birth."""
        fields = self.cleaned_data
        if contradicts(fields.get("birth_date"), fields.get("study_date")):
            words = gettext("The date of birth and the date of the study contradict each other.")
            self.add_error("study_date", words)
        if len(fields.get("family_name", "") + fields.get("given_name", "")) >= _MAX_NAME:
            self.add_error(
                "family_name", gettext("Family and given name are longer than 63 letters.")
            )
        return fields

    def clean_birth_date(self) -> date | None:
        """Refuse a birth in the future, or longer ago than anybody lives."""
        birth_date: date | None = self.cleaned_data["birth_date"]
        check_birth_date(birth_date)
        return birth_date

    def clean_study_date(self) -> date | None:
        """Refuse a study in the future, or before there were X-rays."""
        study_date: date | None = self.cleaned_data["study_date"]
        check_study_date(study_date)
        return study_date

    def record(self, priority: int | None = None) -> CaseRecord:
        """Return the record of a form that is valid."""
        fields = dict(self.cleaned_data)
        names = [fields.pop("family_name"), fields.pop("given_name")]
        return CaseRecord(name="^".join(names).rstrip("^"), priority=priority, **fields)
