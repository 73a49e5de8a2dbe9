"""Stores instances (STOW-RS) through the same intake as all other received files."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from io import BytesIO

from django.conf import settings
from django.utils import timezone

from ml import images
from ml.errors import ImageError
from webportal.accounts.models import Department, User
from webportal.dicom_status import (
    CANNOT_UNDERSTAND,
    OUT_OF_RESOURCES,
    PROCESSING_FAILURE,
    SOP_CLASS_NOT_SUPPORTED,
)
from webportal.dicomweb import addresses
from webportal.dicomweb.elements import Json, element, sequence
from webportal.dicomweb.errors import BadBody
from webportal.dicomweb.multipart import Part
from webportal.dicomweb.negotiation import DICOM
from webportal.intake import pipeline
from webportal.intake.batches import services
from webportal.intake.checks import image_file
from webportal.intake.errors import StorageRefusesError
from webportal.intake.models import UploadBatch, UploadItem, Verdict
from webportal.intake.pipeline import group
from webportal.intake.pipeline.receive import too_large
from webportal.records.models import Radiograph

# Failure Reasons of STOW-RS alone (PS3.18 table I.2-2), and a private Warning Reason.
OTHER_STUDY = 0xC001
REFUSED = 0xC002
SYNTAX_NOT_SUPPORTED = 0xC122
HELD = 0xB001

FAILURES = {
    PROCESSING_FAILURE: "the server failed to process it; send it again",
    SOP_CLASS_NOT_SUPPORTED: "it is not a radiograph that Chestline reads",
    OUT_OF_RESOURCES: "nothing can be stored at present; send it again later",
    CANNOT_UNDERSTAND: "it cannot be read as DICOM, or its pixels cannot be decoded",
    OTHER_STUDY: "it belongs to a different study than the URL names",
    REFUSED: "it was refused for the reason in the private element",
    SYNTAX_NOT_SUPPORTED: "its compression is not supported",
}
WARNINGS = {HELD: "it is held, and becomes part of the study once a person has accepted it"}

#: By the code of a refusal; any other is REFUSED.
FAILURE_BY_CODE = {
    "internal_error": PROCESSING_FAILURE,
    "wrong_modality": SOP_CLASS_NOT_SUPPORTED,
    "for_processing": SOP_CLASS_NOT_SUPPORTED,
    "unsupported_compression": SYNTAX_NOT_SUPPORTED,
    "incomplete_header": CANNOT_UNDERSTAND,
    "no_image": CANNOT_UNDERSTAND,
    "not_an_image": CANNOT_UNDERSTAND,
    "damaged_jpeg": CANNOT_UNDERSTAND,
    "decoder_failed": CANNOT_UNDERSTAND,
    "truncated": CANNOT_UNDERSTAND,
    "undecodable": CANNOT_UNDERSTAND,
    "empty": CANNOT_UNDERSTAND,
}
# The reason as text, in private group 0009 (PS3.5 7.8).
_PRIVATE_CREATOR = {"00090010": {"vr": "LO", "Value": ["CHESTLINE"]}}
_REASON_CODE, _REASON_TEXT = "00091001", "00091002"


@dataclass(frozen=True)
class PartOutcome:
    """The outcome of a part: its instance, if it is one, and the failure or warning."""

    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    item: UploadItem | None = None
    failure: int | None = None
    warning: int | None = None
    code: str = ""
    text: str = ""


@dataclass
class StoreOutcome:
    """The outcomes of all parts, and whether nothing was stored because storage is unavailable."""

    each: list[PartOutcome] = field(default_factory=list)
    refused_by_storage: StorageRefusesError | None = None

    @property
    def items(self) -> list[UploadItem]:
        """The files as uploads."""
        return [one.item for one in self.each if one.item is not None]

    @property
    def status(self) -> HTTPStatus:
        """200 if all are stored, 202 if some are or there are warnings, 409 if none is."""
        failed = [one for one in self.each if one.failure is not None]
        if len(failed) == len(self.each):
            return HTTPStatus.CONFLICT
        is_plain = not failed and all(one.warning is None for one in self.each)
        return HTTPStatus.OK if is_plain else HTTPStatus.ACCEPTED


@dataclass(frozen=True)
class _Instance:
    """A part that is received like an uploaded file of this name."""

    name: str
    content: bytes
    sop_class_uid: str = ""
    sop_instance_uid: str = ""

    def failed(
        self, failure: int, code: str, text: str, item: UploadItem | None = None
    ) -> PartOutcome:
        return PartOutcome(
            self.sop_class_uid, self.sop_instance_uid, item, failure, code=code, text=text
        )

    def outcome(self, item: UploadItem) -> PartOutcome:
        """Its outcome by the verdict on it."""
        code, text = item.reason.code, item.reason.english if item.reason else ""
        if item.verdict in (Verdict.REFUSED, Verdict.DISCARDED):
            return self.failed(FAILURE_BY_CODE.get(code, REFUSED), code, text, item)
        warning = HELD if item.verdict == Verdict.HELD else None
        return PartOutcome(
            self.sop_class_uid, self.sop_instance_uid, item, None, warning, code, text
        )


class StoreTransaction:
    """The instances of one request, in a separate batch.

    `study`: '' for any study; `department`: of new studies, None for the user's only one.
    """

    def __init__(self, by: User, study: str, department: Department | None = None) -> None:
        self._by = by
        self._study = study
        self._department = department
        self._batch: UploadBatch | None = None
        self._number = 0

    def store(self, parts: Iterable[Part]) -> StoreOutcome:
        """Store each part if possible; success means that file and record are durable.

        Raises BadBody if the body has no parts, and StorageRefusesError if none could be stored.
        Database errors abort it: parts stored so far are kept, and sending everything again is
        harmless.
        """
        outcomes = StoreOutcome()
        for some in group.bounded(_until_broken(parts), _bytes_held):
            outcomes.each += self._store(some, outcomes)
        if not outcomes.each:
            raise BadBody("The body has no parts.")
        if outcomes.refused_by_storage is not None and not outcomes.items:
            raise outcomes.refused_by_storage
        if self._batch is not None:
            services.announce(self._batch, len(outcomes.items))
        return outcomes

    def _store(
        self, parts: Sequence[Part | PartOutcome], outcomes: StoreOutcome
    ) -> list[PartOutcome]:
        """Store parts together, or one by one if the storage refuses them together."""
        read = [self._read(part) if isinstance(part, Part) else part for part in parts]
        instances = [each for each in read if isinstance(each, _Instance)]
        try:
            items = self._receive(instances)
        except StorageRefusesError:
            # Some of them may be stored, and others may fit.
            stored = iter([self._receive_one(each, outcomes) for each in instances])
        else:
            stored = iter([each.outcome(item) for each, item in zip(instances, items, strict=True)])
        return [next(stored) if isinstance(each, _Instance) else each for each in read]

    def _read(self, part: Part) -> "_Instance | PartOutcome":
        """Return the instance in a part, or why it cannot be received."""
        self._number += 1
        if part.content is None:
            refusal = too_large(settings.UPLOAD_MAX_BYTES)
            return PartOutcome(failure=REFUSED, code=refusal.code, text=refusal.message)
        if part.media_type != DICOM or images.sniff(part.content) != "dicom":
            return PartOutcome(failure=CANNOT_UNDERSTAND, text="The part is not a DICOM file.")
        try:
            facts = image_file.describe_apart(part.content)
        except ImageError:
            return _Instance(f"{self._number}.dcm", part.content)  # refused and recorded
        sop_class, sop_instance = facts.sop_class_uid, facts.sop_instance_uid
        if self._study and facts.study_instance_uid != self._study:
            text = "The instance belongs to a different study than the URL names."
            return PartOutcome(sop_class, sop_instance, failure=OTHER_STUDY, text=text)
        name = f"{sop_instance or self._number}.dcm"
        return _Instance(name, part.content, sop_class, sop_instance)

    def _receive(self, instances: Sequence["_Instance"]) -> list[UploadItem]:
        if not instances:
            return []
        files = [(each.name, BytesIO(each.content)) for each in instances]
        return pipeline.receive_files(self._open_batch(), files, self._by)

    def _receive_one(self, instance: "_Instance", outcomes: StoreOutcome) -> PartOutcome:
        try:
            [item] = self._receive([instance])
        except StorageRefusesError as error:
            outcomes.refused_by_storage = error
            return instance.failed(OUT_OF_RESOURCES, error.code, error.message)
        return instance.outcome(item)

    def _open_batch(self) -> UploadBatch:
        if self._batch is None:
            at = timezone.localtime().strftime("%Y-%m-%d %H:%M")
            self._batch = services.create_batch(
                self._by, name=f"DICOMweb {at}", department=self._department
            )
        return self._batch


def _bytes_held(part: Part | PartOutcome) -> int:
    return len(part.content or b"") if isinstance(part, Part) else 0


def _until_broken(parts: Iterable[Part]) -> Iterator[Part | PartOutcome]:
    """Yield the parts; a body cut off after some of them ends with a failure as its outcome."""
    has_part = False
    try:
        for part in parts:
            has_part = True
            yield part
    except BadBody as error:
        if not has_part:
            raise
        yield PartOutcome(failure=CANNOT_UNDERSTAND, text=str(error.detail))


def answer(outcomes: StoreOutcome, root: str) -> Json:
    """Return the Store Instances Response Module (PS3.18 table I.1-1) as DICOM JSON."""
    stored: list[Json] = []
    failed: list[Json] = []
    others: list[Json] = []
    studies: set[str] = set()
    for one in outcomes.each:
        named = element("ReferencedSOPClassUID", one.sop_class_uid) | element(
            "ReferencedSOPInstanceUID", one.sop_instance_uid
        )
        if one.failure is None:
            radiograph = _shown(one.item)
            if radiograph is not None:
                studies.add(radiograph.study.study_instance_uid)
            stored.append(named | _of_stored(one, radiograph, root))
        elif one.sop_instance_uid:
            failed.append(named | element("FailureReason", one.failure) | _why(one))
        else:
            others.append(element("FailureReason", one.failure) | _why(one))
    found: Json = {}
    if len(studies) == 1:
        found |= element("RetrieveURL", f"{root}/studies/{studies.pop()}")
    found |= sequence("FailedSOPSequence", failed)
    found |= sequence("ReferencedSOPSequence", stored)
    found |= sequence("OtherFailuresSequence", others)
    return dict(sorted(found.items()))


def _shown(item: UploadItem | None) -> Radiograph | None:
    """The image, if it is visible to the caller."""
    is_elsewhere = item is not None and item.reason_code == "stored_elsewhere"
    return None if item is None or is_elsewhere else item.radiograph


def _of_stored(one: PartOutcome, radiograph: Radiograph | None, root: str) -> Json:
    found: Json = {}
    if radiograph is not None:
        found |= element("RetrieveURL", addresses.of_instance(root, radiograph))
    if one.warning is not None:
        found |= element("WarningReason", one.warning)
    return found | _why(one)


def _why(one: PartOutcome) -> Json:
    if not one.text:
        return {}
    return _PRIVATE_CREATOR | {
        _REASON_CODE: {"vr": "LO", "Value": [one.code]} if one.code else {"vr": "LO"},
        _REASON_TEXT: {"vr": "LT", "Value": [one.text]},
    }
