"""Recognises a patient in free text and in DICOM headers."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from ml.errors import ImageError
from ml.images import ImageFacts, dicom
from webportal.intake.claimed_identity import differing, identity_in_header
from webportal.records.models import Patient, Study

# Shorter parts of a name, such as initials, match far too many texts.
SHORTEST_NAME = 3
# So do shorter identifiers, and digits that could be a date.
_SHORTEST_IDENTIFIER = 6
_LONGEST_DATE = 8
_JOINED = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class Traces:
    """Words that identify a patient: parts of the name, and identifiers of patient and studies.

    All of them are `simplified`. `is_only` means that no other patient has the Patient ID, whatever
    the issuer.
    """

    names: frozenset[str]
    identifiers: frozenset[str]
    patient: Patient
    study_uids: frozenset[str]
    is_only: bool

    @classmethod
    def of(cls, patient: Patient, studies: Iterable[Study]) -> "Traces":
        """The traces of a patient and studies."""
        words = {word for word in _JOINED.split(simplified(patient.name)) if word}
        numbers = [patient.patient_id]
        studies = list(studies)
        others = Patient.objects.filter(patient_id=patient.patient_id).exclude(pk=patient.pk)
        for study in studies:
            numbers += [study.study_instance_uid, *study.accession_number.split("\\")]
        return cls(
            frozenset(word for word in words if len(word) >= SHORTEST_NAME),
            frozenset(filter(None, map(simplified, numbers))),
            patient,
            frozenset(study.study_instance_uid for study in studies),
            not others.exists(),
        )

    def are_in(self, text: str) -> bool:
        """Whether a text contains an identifier, or a part of the name as a whole word.

        An identifier that could be a date or a page number has to be the whole text.
        """
        return not self.names.isdisjoint(_words(text)) or self._has_identifier(text)

    def are_surely_in(self, text: str) -> bool:
        """Whether a text contains an identifier or the full name, of two parts or more.

        If the identifier could be a date or a page number, a part of the name is required, too.
        """
        whole = len(self.names) > 1 and self.names <= _words(text)
        return whole or self._has_identifier(text)

    def are_in_header(self, facts: ImageFacts) -> bool:
        """Whether a DICOM file has the patient's ID, perhaps with somebody else's name."""
        return self.have_id(facts.patient_id, facts.issuer_of_patient_id)

    def concern(self, facts: ImageFacts) -> bool:
        """Whether a DICOM file may be this patient's: by the ID, or by one of the studies."""
        issuers = {facts.issuer_of_patient_id, self.patient.issuer} - {""}
        same_id = facts.patient_id == self.patient.patient_id and len(issuers) < 2
        return same_id or facts.study_instance_uid in self.study_uids

    def are_of_studies(self, facts: ImageFacts) -> bool:
        """Whether a DICOM file belongs to one of the studies."""
        return facts.study_instance_uid in self.study_uids

    def are_surely_in_header(self, facts: ImageFacts) -> bool:
        """Whether a DICOM file is of this patient: name or birth date agree, neither differs."""
        if not self.are_in_header(facts) or self._differs(facts):
            return False
        claimed = identity_in_header(facts)
        same_name = claimed.name and self.patient.name
        return bool(same_name or (claimed.birth_date and self.patient.birth_date))

    def are_denied_in_header(self, facts: ImageFacts) -> bool:
        """Whether a DICOM file names somebody other than this patient."""
        return (bool(facts.patient_id) and not self.are_in_header(facts)) or self._differs(facts)

    def _has_identifier(self, text: str) -> bool:
        plain = simplified(text)
        is_named = not self.names.isdisjoint(_words(text))
        return any(
            re.search(rf"(?<![^\W_]){re.escape(each)}(?![^\W_])", plain)
            for each in self.identifiers
            if is_named or _is_distinctive(each) or plain.strip() == each
        )

    def have_id(self, patient_id: str, issuer: str) -> bool:
        """Whether a Patient ID and its issuer are the patient's."""
        if patient_id != self.patient.patient_id:
            return False
        issuers = issuer, self.patient.issuer
        # A missing issuer could be any: it identifies the patient only if no other has the same ID.
        return issuers[0] == issuers[1] or (self.is_only and not all(issuers))

    def _differs(self, facts: ImageFacts) -> bool:
        return not {"name", "birth_date"}.isdisjoint(
            differing(self.patient, identity_in_header(facts))
        )


def _words(text: str) -> set[str]:
    return set(_JOINED.split(simplified(text)))


def _is_distinctive(identifier: str) -> bool:
    may_be_date = identifier.isdigit() and len(identifier) <= _LONGEST_DATE
    return len(identifier) >= _SHORTEST_IDENTIFIER and not may_be_date


def header_of(data: bytes) -> ImageFacts | None:
    """The facts in a DICOM file's header; None if they cannot be read."""
    try:
        return dicom.describe(data)
    except ImageError:
        return None


def simplified(text: str) -> str:
    """Return a text in lower case, without accents."""
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(each for each in decomposed if not unicodedata.combining(each)).casefold()
