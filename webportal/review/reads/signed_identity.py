"""Signing for the patient the reader saw: the identity a signature names is checked."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from webportal.records.choices import Sex
from webportal.records.identity import IDENTITY_FIELDS, shown_identity, version_of
from webportal.records.models import Patient, Study
from webportal.review.reads.refusals import ReadingError

LABELS = {
    "name": gettext_lazy("Name"),
    "birth_date": gettext_lazy("Date of birth"),
    "sex": gettext_lazy("Sex"),
    "patient_id": gettext_lazy("Patient ID"),
    "issuer": gettext_lazy("Issuer of Patient ID"),
}


@dataclass(frozen=True)
class ChangedValue:
    """One changed value of an identity, as text."""

    label: str
    before: str
    after: str


@dataclass(frozen=True)
class IdentityChange:
    """How the identity that a reader saw differs from the current one.

    `is_moved` means that the study now belongs to another patient's record; `version` is the
    fingerprint of the current identity.
    """

    is_moved: bool
    changes: list[ChangedValue]
    version: str


def identity_change(seen: Mapping[str, str], patient: Patient) -> IdentityChange | None:
    """Compare the identity that a reader saw with the patient's record; None when it is the same.

    `seen` is as `shown_identity` has it.
    """
    now = shown_identity(patient)
    if version_of(seen) == version_of(now):
        return None
    changes = [
        ChangedValue(str(label), *_format_change(name, seen[name], now[name]))
        for name, label in LABELS.items()
        if seen[name] != now[name]
    ]
    return IdentityChange(seen["patient"] != now["patient"], changes, version_of(now))


def _format_change(name: str, before: str, after: str) -> tuple[str, str]:
    if name == "sex":
        words = {sex.value: str(sex.label) for sex in Sex}
        before, after = words.get(before, before), words.get(after, after)
    elif name == "name":
        shown = [Patient(name=each).display_name for each in (before, after)]
        # Two names that read the same can differ only in their DICOM form.
        if shown[0] != shown[1]:
            before, after = shown
    unknown = _("not known")
    return before or unknown, after or unknown


def parse_identity(text: str) -> dict[str, str] | None:
    """Parse the identity that a page was rendered with; None if it is invalid."""
    try:
        given = json.loads(text)
    except ValueError:
        return None
    if not isinstance(given, dict) or set(given) != set(IDENTITY_FIELDS):
        return None
    return given if all(isinstance(value, str) for value in given.values()) else None


def identity_for_draft(
    patient: Patient, acknowledged: str, seen: Mapping[str, str], kept: dict[str, str]
) -> dict[str, str]:
    """Return the identity to keep with a draft: the current one once its reader acknowledged it.

    Until then it is the one under which the draft was started, so that the change is shown to a
    reader who comes back to it.
    """
    now = shown_identity(patient)
    return now if acknowledged == version_of(now) else dict(seen) or kept


def lock_identity(study: Study, acknowledged: str) -> dict[str, str]:
    """Return the identity to sign under, locked until the transaction ends.

    The study must be locked. Raises ReadingError with the code identity_changed when it is not the
    one whose fingerprint the reader acknowledged.
    """
    now = shown_identity(Patient.objects.select_for_update(no_key=True).get(pk=study.patient_id))
    if acknowledged != version_of(now):
        raise ReadingError(
            "identity_changed",
            _(
                "Not signed: the patient’s data have changed since this page was opened, or the"
                " study has been moved to another patient. Compare them, confirm that they are"
                " right, and sign again; your text is kept."
            ),
        )
    return now
