"""C-FIND queries for the earlier studies of a patient, in the Study Root model (PS3.4 C.6.2)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom.association import Association

from ml.images.dicom import MODALITIES
from webportal.dicom_status import PENDING_MATCHES
from webportal.inference.purpose.bodies import Region, bodies_of
from webportal.intake.claimed_identity import Identity
from webportal.network.priors.arrivals import disagreements
from webportal.network.scu import NotReachedError
from webportal.network.sop_classes import FIND
from webportal.records.choices import Sex
from webportal.records.identifiers import is_uid
from webportal.records.models import Patient

_MOST_MATCHES = 500


@dataclass(frozen=True)
class FoundStudy:
    """A match at study level; `disagreements` are the fields that differ from our patient."""

    study_instance_uid: str
    performed_on: date
    disagreements: list[str] = field(default_factory=list)


def earlier_studies(
    association: Association, patient: Patient, first: date, last: date
) -> list[FoundStudy]:
    """The studies of a patient from `first` to `last` that may have radiographs, newest first.

    Raises NotReachedError if the node is silent, refuses the query or has too many matches.
    """
    query = _query(
        "STUDY",
        PatientID=patient.patient_id,
        StudyDate=f"{first:%Y%m%d}-{last:%Y%m%d}",
        **dict.fromkeys(("IssuerOfPatientID", "PatientName", "PatientBirthDate", "PatientSex"), ""),
        **dict.fromkeys(("StudyInstanceUID", "StudyTime", "ModalitiesInStudy"), ""),
    )
    matches = {}
    for each in _find(association, query):
        study, at = _text(each, "StudyInstanceUID"), _date(each, "StudyDate")
        if not is_uid(study) or at is None or not first <= at <= last:
            continue
        modalities = _values(each, "ModalitiesInStudy")
        if modalities and not modalities & MODALITIES:
            continue
        moment = (at, _text(each, "StudyTime"))
        differing = disagreements(patient, _identity(each, patient))
        matches[study] = moment, FoundStudy(study, at, differing)
    newest_first = sorted(matches.values(), key=lambda match: match[0], reverse=True)
    return [found for _moment, found in newest_first]


def chest_series(association: Association, study_instance_uid: str) -> list[str]:
    """The UIDs of a study's series that may be chest radiographs. Raises NotReachedError."""
    query = _query(
        "SERIES",
        StudyInstanceUID=study_instance_uid,
        **dict.fromkeys(("SeriesInstanceUID", "Modality", "BodyPartExamined"), ""),
    )
    return [
        _text(each, "SeriesInstanceUID")
        for each in _find(association, query)
        if _text(each, "Modality") in MODALITIES
        and is_uid(_text(each, "SeriesInstanceUID"))
        and not _is_other_body(_text(each, "BodyPartExamined"))
    ]


def _is_other_body(part: str) -> bool:
    return any(body.region == Region.OTHER for body in bodies_of(part, []))


def _query(level: str, **keys: str) -> Dataset:
    query = Dataset()
    query.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(query, keyword, value)
    if not all(value.isascii() for value in keys.values()):
        query.SpecificCharacterSet = "ISO_IR 192"
    return query


def _find(association: Association, query: Dataset) -> Iterator[Dataset]:
    matches = 0
    try:
        for status, identifier in association.send_c_find(query, FIND):
            code = int(status.Status) if "Status" in status else None
            if code == 0:
                return
            if code not in PENDING_MATCHES:
                raise NotReachedError("node_silent" if code is None else "find_refused")
            matches += 1
            if matches > _MOST_MATCHES:
                association.abort()
                raise NotReachedError("find_too_many")
            if identifier is not None:
                yield identifier
    except ValueError:  # no presentation context
        raise NotReachedError("find_not_offered") from None
    except RuntimeError:  # the association has ended
        raise NotReachedError("node_silent") from None


def _identity(match: Dataset, patient: Patient) -> Identity:
    """The patient of a match. Many PACS return no issuer: the images have to confirm it."""
    sex = _text(match, "PatientSex")
    return Identity(
        _text(match, "PatientID"),
        _text(match, "IssuerOfPatientID") or patient.issuer,
        _text(match, "PatientName"),
        _date(match, "PatientBirthDate"),
        sex if sex in Sex.values else "",
    )


def _text(match: Dataset, keyword: str) -> str:
    return str(_value(match, keyword) or "").strip(" \0")


def _values(match: Dataset, keyword: str) -> set[str]:
    value = _value(match, keyword)
    if value in (None, ""):
        return set()
    return {str(value)} if isinstance(value, str) else {str(each) for each in value}


def _value(match: Dataset, keyword: str) -> Any:
    try:
        return match.get(keyword)
    except Exception:  # pydicom raises arbitrary exceptions on broken values
        return None


def _date(match: Dataset, keyword: str) -> date | None:
    try:
        return datetime.strptime(_text(match, keyword), "%Y%m%d").date()  # noqa: DTZ007
    except ValueError:
        return None
