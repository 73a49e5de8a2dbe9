"""Asking a node for the earlier studies of a patient: C-FIND of the Study Root (PS3.4 C)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom.association import Association

from webportal.inference.purpose.bodies import Region, bodies_of
from webportal.intake.claimed_identity import Identity
from webportal.network.calling import NotReachedError
from webportal.network.inbox import is_uid
from webportal.network.priors.arrivals import disagreements
from webportal.network.sop_classes import FIND
from webportal.records.choices import Sex
from webportal.records.models import Patient

#: What intake reads, as Modality.
MODALITIES = frozenset({"CR", "DX", "RG"})
_PENDING = (0xFF00, 0xFF01)
_MOST_ANSWERS = 500


@dataclass(frozen=True)
class Answer:
    """A study that a node names; `disagreements` are those with our patient."""

    study_instance_uid: str
    performed_on: date
    disagreements: list[str] = field(default_factory=list)


def earlier_studies(
    association: Association, patient: Patient, first: date, last: date
) -> list[Answer]:
    """The studies of a patient from `first` to `last` that may have radiographs, newest first.

    Raises NotReachedError if the node does not answer as it should.
    """
    asked = _query(
        "STUDY",
        PatientID=patient.patient_id,
        StudyDate=f"{first:%Y%m%d}-{last:%Y%m%d}",
        **dict.fromkeys(("IssuerOfPatientID", "PatientName", "PatientBirthDate", "PatientSex"), ""),
        **dict.fromkeys(("StudyInstanceUID", "StudyTime", "ModalitiesInStudy"), ""),
    )
    answers = {}
    for each in _find(association, asked):
        study, at = _text(each, "StudyInstanceUID"), _date(each, "StudyDate")
        if not is_uid(study) or at is None or not first <= at <= last:
            continue
        modalities = _values(each, "ModalitiesInStudy")
        if modalities and not modalities & MODALITIES:
            continue
        moment = (at, _text(each, "StudyTime"))
        answers[study] = moment, Answer(study, at, disagreements(patient, _identity(each, patient)))
    in_order = sorted(answers.values(), key=lambda found: found[0], reverse=True)
    return [answer for _moment, answer in in_order]


def chest_series(association: Association, study_instance_uid: str) -> list[str]:
    """The series of a study that may show the chest in a radiograph. Raises NotReachedError."""
    asked = _query(
        "SERIES",
        StudyInstanceUID=study_instance_uid,
        **dict.fromkeys(("SeriesInstanceUID", "Modality", "BodyPartExamined"), ""),
    )
    return [
        _text(each, "SeriesInstanceUID")
        for each in _find(association, asked)
        if _text(each, "Modality") in MODALITIES
        and is_uid(_text(each, "SeriesInstanceUID"))
        and not _is_other_body(_text(each, "BodyPartExamined"))
    ]


def _is_other_body(part: str) -> bool:
    return any(body.region == Region.OTHER for body in bodies_of(part, []))


def _query(level: str, **keys: str) -> Dataset:
    asked = Dataset()
    asked.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(asked, keyword, value)
    if not all(value.isascii() for value in keys.values()):
        asked.SpecificCharacterSet = "ISO_IR 192"
    return asked


def _find(association: Association, asked: Dataset) -> Iterator[Dataset]:
    answers = 0
    try:
        for status, identifier in association.send_c_find(asked, FIND):
            code = int(status.Status) if "Status" in status else None
            if code == 0:
                return
            if code not in _PENDING:
                raise NotReachedError("node_silent" if code is None else "find_refused")
            answers += 1
            if answers > _MOST_ANSWERS:
                association.abort()
                raise NotReachedError("find_too_many")
            if identifier is not None:
                yield identifier
    except ValueError:  # no presentation context
        raise NotReachedError("find_not_offered") from None
    except RuntimeError:  # the association has ended
        raise NotReachedError("node_silent") from None


def _identity(answer: Dataset, patient: Patient) -> Identity:
    """The patient of an answer; many PACS say no issuer, and the images have to confirm it."""
    sex = _text(answer, "PatientSex")
    return Identity(
        _text(answer, "PatientID"),
        _text(answer, "IssuerOfPatientID") or patient.issuer,
        _text(answer, "PatientName"),
        _date(answer, "PatientBirthDate"),
        sex if sex in Sex.values else "",
    )


def _text(answer: Dataset, keyword: str) -> str:
    return str(_value(answer, keyword) or "").strip(" \0")


def _values(answer: Dataset, keyword: str) -> set[str]:
    value = _value(answer, keyword)
    if value in (None, ""):
        return set()
    return {str(value)} if isinstance(value, str) else {str(each) for each in value}


def _value(answer: Dataset, keyword: str) -> Any:
    try:
        return answer.get(keyword)
    except Exception:  # pydicom raises arbitrary exceptions on broken values
        return None


def _date(answer: Dataset, keyword: str) -> date | None:
    try:
        return datetime.strptime(_text(answer, keyword), "%Y%m%d").date()  # noqa: DTZ007
    except ValueError:
        return None
