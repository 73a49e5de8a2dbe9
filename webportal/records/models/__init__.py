"""The case record: patients, their studies and the radiographs in them."""

from webportal.records.emergency_models import EmergencyAccess, ReviewOutcome
from webportal.records.models.corrections import CorrectionSeen, IdentityCorrection
from webportal.records.models.radiographs import SHA256_HEX, FileFault, Radiograph
from webportal.records.models.search import StudySearch
from webportal.records.models.series import Series
from webportal.records.models.studies import (
    KNOWN_PROBABILITY,
    NEWEST_FIRST,
    OWN_ISSUER,
    Patient,
    Study,
    name_components,
)

__all__ = [
    "KNOWN_PROBABILITY",
    "NEWEST_FIRST",
    "OWN_ISSUER",
    "SHA256_HEX",
    "CorrectionSeen",
    "EmergencyAccess",
    "FileFault",
    "IdentityCorrection",
    "Patient",
    "Radiograph",
    "ReviewOutcome",
    "Series",
    "Study",
    "StudySearch",
    "name_components",
]
