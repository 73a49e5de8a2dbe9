"""Recognises a patient in free text and in DICOM headers."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from ml.images import ImageError, dicom
from webportal.records.models import Patient, Study

# Shorter parts of a name, such as initials, match far too many texts.
SHORTEST_NAME = 3
_JOINED = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class Traces:
    """Words that identify a patient: parts of the name, and identifiers of patient and studies.

    All of them are `simplified`.
    """

    names: frozenset[str]
    identifiers: frozenset[str]
    patient_id: str
    issuer: str

    @classmethod
    def of(cls, patient: Patient, studies: Iterable[Study]) -> "Traces":
        """The traces of a patient and studies."""
        words = {word for word in _JOINED.split(simplified(patient.name)) if word}
        numbers = [patient.patient_id]
        for study in studies:
            numbers += [study.study_instance_uid, *study.accession_number.split("\\")]
        return cls(
            frozenset(word for word in words if len(word) >= SHORTEST_NAME),
            frozenset(filter(None, map(simplified, numbers))),
            patient.patient_id,
            patient.issuer,
        )

    def are_in(self, text: str) -> bool:
        """Whether a text contains an identifier, or a part of the name as a whole word."""
        plain = simplified(text)
        if not self.names.isdisjoint(_JOINED.split(plain)):
            return True
        return any(
            re.search(rf"(?<![^\W_]){re.escape(each)}(?![^\W_])", plain)
            for each in self.identifiers
        )

    def are_surely_in(self, text: str) -> bool:
        """Whether a text contains an identifier or the full name, of two parts or more."""
        words = set(_JOINED.split(simplified(text)))
        whole = len(self.names) > 1 and self.names <= words
        return whole or (self.are_in(text) and self.names.isdisjoint(words))

    def are_in_header(self, data: bytes) -> bool:
        """Whether a file is a DICOM file of this patient."""
        try:
            facts = dicom.describe(data)
        except ImageError:
            return False
        same_issuer = not facts.issuer_of_patient_id or not self.issuer
        same_issuer = same_issuer or facts.issuer_of_patient_id == self.issuer
        return facts.patient_id == self.patient_id and same_issuer


def simplified(text: str) -> str:
    """In lower case, without accents."""
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(each for each in decomposed if not unicodedata.combining(each)).casefold()
