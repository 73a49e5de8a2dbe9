"""Case records supplied for files."""

from dataclasses import asdict, dataclass, field
from dataclasses import fields as fields_of
from datetime import date
from typing import Any

from django.utils.translation import gettext

from webportal.records.fields import CaseFields, PatientFields

_DATES = ("birth_date", "study_date")
_MAX_NAME = 64
FORM_KEY = ""  # under which a batch keeps the one case record of its form


@dataclass(frozen=True)
class CaseRecord:
    """A person's entries on a file's patient and study. `name` is in DICOM form, FAMILY^Given."""

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
        """Return plain JSON, as accepted by `from_json`."""
        fields = asdict(self)
        for name in _DATES:
            fields[name] = fields[name] and fields[name].isoformat()
        return fields

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> "CaseRecord":
        """Return the record from its `as_json` form.

        While the portal is upgraded, both releases import files of each other's batches: a field
        that only one of them knows is ignored, or has its default.
        """
        known = {each.name: fields[each.name] for each in fields_of(cls) if each.name in fields}
        for name in _DATES:
            known[name] = date.fromisoformat(fields[name]) if fields.get(name) else None
        return cls(**known)


class CaseRecordForm(CaseFields, PatientFields):
    """The case record of a form, and the validation of each line of a sheet."""

    # The form may be hidden, where a browser could not report a missing field.
    use_required_attribute = False

    def clean(self) -> dict[str, Any]:
        """Refuse a name longer than DICOM allows (VR PN), because a JPEG is wrapped with it."""
        fields = super().clean()
        if len(fields.get("family_name", "") + fields.get("given_name", "")) >= _MAX_NAME:
            self.add_error(
                "family_name", gettext("Family and given name are longer than 63 letters.")
            )
        return fields

    def record(self, priority: int | None = None) -> CaseRecord:
        """Return the record of a valid form."""
        fields = dict(self.cleaned_data)
        names = [fields.pop("family_name"), fields.pop("given_name")]
        return CaseRecord(name="^".join(names).rstrip("^"), priority=priority, **fields)
