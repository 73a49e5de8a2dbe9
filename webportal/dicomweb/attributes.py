"""The attributes that searches support: how each is returned and matched."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, time
from enum import Enum, IntEnum, auto
from typing import Any

from django.utils import timezone
from pydicom.datadict import dictionary_VR

from webportal.dicomweb.elements import tag_of
from webportal.dicomweb.reports import StructuredReport
from webportal.records.models import Radiograph, Series, Study


class Level(IntEnum):
    """The levels of the information model; each includes the attributes of those above."""

    STUDY = 1
    SERIES = 2
    INSTANCE = 3


class Matching(Enum):
    """How a key is matched (PS3.4 C.2.2.2)."""

    UIDS = auto()
    TEXT = auto()
    NAME = auto()
    NUMBER = auto()
    #: A date, matched against a date.
    DATE = auto()
    #: A date and a time of day, each matched against a timestamp.
    DAY = auto()
    TIME = auto()


@dataclass(frozen=True)
class StudyContents:
    """The images of a study, counted once for all results of a response.

    Reports are counted only by series: other counts would reveal that there is a result to users
    who may not know.
    """

    modalities: list[str] = field(default_factory=list)
    sop_classes: list[str] = field(default_factory=list)
    series: int = 0
    instances: int = 0
    in_series: dict[Any, int] = field(default_factory=dict)


@dataclass(frozen=True)
class FoundRow:
    """A search result: the object of its level, those above it, and the contents of the study.

    For a report, `series` and `radiograph` are both the report.
    """

    study: Study
    contents: StudyContents
    series: Series | StructuredReport | None = None
    radiograph: Radiograph | StructuredReport | None = None


Value = Callable[[FoundRow], Any]


@dataclass(frozen=True)
class Attribute:
    """An attribute at a level.

    `value` takes it from a result: one value, or a list of several. `paths`: for each level at
    which it can be a key, the field from that level's model on. Where it is `on_request`, only
    `includefield` returns it.
    """

    keyword: str
    level: Level
    value: Value
    matching: Matching | None = None
    paths: dict[Level, str] = field(default_factory=dict)
    on_request: bool = False

    @property
    def tag(self) -> str:
        """The tag as eight hexadecimal digits."""
        return tag_of(self.keyword)

    @property
    def vr(self) -> str:
        """The value representation."""
        return str(dictionary_VR(self.keyword))


def _of_study(
    keyword: str, value: Value, matching: Matching | None = None, path: str = ""
) -> Attribute:
    below = f"study__{path}"
    paths = {Level.STUDY: path, Level.SERIES: below, Level.INSTANCE: below} if path else {}
    return Attribute(keyword, Level.STUDY, value, matching, paths)


def _of_series(
    keyword: str, value: Value, matching: Matching | None = None, path: str = "", **more: Any
) -> Attribute:
    paths = {Level.SERIES: path, Level.INSTANCE: f"series__{path}"} if path else {}
    return Attribute(keyword, Level.SERIES, value, matching, paths, **more)


def _of_instance(
    keyword: str, name: str, matching: Matching | None = None, *, on_request: bool = False
) -> Attribute:
    paths = {Level.INSTANCE: name} if matching else {}
    value = _radiograph(name)
    return Attribute(keyword, Level.INSTANCE, value, matching, paths, on_request)


def _radiograph(name: str) -> Value:
    return lambda found: getattr(found.radiograph, name)


def _series(name: str) -> Value:
    return lambda found: getattr(found.series, name)


def _time_of_day(at: datetime | None) -> datetime | None:
    # Midnight means that only the date of the study is known.
    return None if at is None or timezone.localtime(at).time() == time() else at


ATTRIBUTES: tuple[Attribute, ...] = (
    _of_study("StudyDate", lambda f: f.study.performed_at, Matching.DAY, "performed_at"),
    _of_study(
        "StudyTime", lambda f: _time_of_day(f.study.performed_at), Matching.TIME, "performed_at"
    ),
    _of_study(
        "AccessionNumber",
        lambda f: f.study.accession_number.split("\\"),
        Matching.TEXT,
        "accession_number",
    ),
    _of_study("InstanceAvailability", lambda f: "ONLINE"),
    Attribute(
        "ModalitiesInStudy",
        Level.STUDY,
        lambda f: f.contents.modalities,
        Matching.TEXT,
        {
            Level.STUDY: "radiographs__modality",
            Level.SERIES: "study__radiographs__modality",
            Level.INSTANCE: "study__radiographs__modality",
        },
    ),
    Attribute(
        "SOPClassesInStudy",
        Level.STUDY,
        lambda f: f.contents.sop_classes,
        on_request=True,
    ),
    _of_study(
        "ReferringPhysicianName",
        lambda f: f.study.referring_physician,
        Matching.NAME,
        "referring_physician",
    ),
    _of_study("StudyDescription", lambda f: f.study.description, Matching.TEXT, "description"),
    _of_study("PatientName", lambda f: f.study.patient.name, Matching.NAME, "patient__name"),
    _of_study(
        "PatientID", lambda f: f.study.patient.patient_id, Matching.TEXT, "patient__patient_id"
    ),
    _of_study(
        "IssuerOfPatientID", lambda f: f.study.patient.issuer, Matching.TEXT, "patient__issuer"
    ),
    _of_study(
        "PatientBirthDate",
        lambda f: f.study.patient.birth_date,
        Matching.DATE,
        "patient__birth_date",
    ),
    _of_study("PatientSex", lambda f: f.study.patient.sex, Matching.TEXT, "patient__sex"),
    _of_study(
        "StudyInstanceUID",
        lambda f: f.study.study_instance_uid,
        Matching.UIDS,
        "study_instance_uid",
    ),
    # Not recorded.
    _of_study("StudyID", lambda f: ""),
    _of_study("NumberOfStudyRelatedSeries", lambda f: f.contents.series),
    _of_study("NumberOfStudyRelatedInstances", lambda f: f.contents.instances),
    Attribute(
        "Modality",
        Level.SERIES,
        lambda f: (f.series and f.series.modality) or (f.radiograph and f.radiograph.modality),
        Matching.TEXT,
        {
            # For studies, many viewers send it in the sense of ModalitiesInStudy.
            Level.STUDY: "radiographs__modality",
            Level.SERIES: "radiographs__modality",
            Level.INSTANCE: "modality",
        },
    ),
    _of_series("SeriesDescription", _series("description"), Matching.TEXT, "description"),
    _of_series(
        "SeriesInstanceUID", _series("series_instance_uid"), Matching.UIDS, "series_instance_uid"
    ),
    _of_series("SeriesNumber", _series("number"), Matching.NUMBER, "number"),
    _of_series("BodyPartExamined", _series("body_part"), Matching.TEXT, "body_part"),
    _of_series("Laterality", _series("laterality"), on_request=True),
    _of_series("Manufacturer", _series("manufacturer"), on_request=True),
    _of_series("ManufacturerModelName", _series("model_name"), on_request=True),
    _of_series("StationName", _series("station_name"), on_request=True),
    _of_series("InstitutionName", _series("institution"), on_request=True),
    _of_series(
        "NumberOfSeriesRelatedInstances",
        lambda f: f.contents.in_series.get(f.series.pk if f.series else None, 0),
    ),
    _of_instance("SOPClassUID", "sop_class_uid", Matching.UIDS),
    _of_instance("SOPInstanceUID", "sop_instance_uid", Matching.UIDS),
    _of_instance("InstanceNumber", "instance_number", Matching.NUMBER),
    _of_instance("Rows", "rows"),
    _of_instance("Columns", "columns"),
    _of_instance("BitsStored", "bits_stored", on_request=True),
    _of_instance("ViewPosition", "view_position", on_request=True),
    _of_instance("ImageLaterality", "laterality", on_request=True),
    _of_instance("PatientAge", "patient_age", on_request=True),
    Attribute(
        "NumberOfFrames",
        Level.INSTANCE,
        lambda f: 1 if isinstance(f.radiograph, Radiograph) else None,
    ),
)
BY_TAG = {each.tag: each for each in ATTRIBUTES}
