"""DICOM structured reports: TID 1500 'Measurement Report' (PS3.16), as required by IHE AIR.

Measurement groups with and without a region go into separate documents, because viewers that
support only regions display nothing of a document with both.

Some viewers list the findings of the groups and nothing else. So each group says how certain its
finding is, and what is absent or unlikely has no group.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from highdicom import UID
from highdicom.sr import (
    AlgorithmIdentification,
    CodeContentItem,
    ComprehensiveSR,
    ContainerContentItem,
    ContentItem,
    ContentSequence,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    PersonObserverIdentifyingAttributes,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    SourceImageForMeasurementGroup,
    TextContentItem,
    TrackingIdentifier,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes as dicom_codes
from pydicom.sr.coding import Code
from pydicom.valuerep import DT

from webportal.accounts.models import User
from webportal.delivery.documents import coding, regions
from webportal.delivery.documents.hottest import Rectangle
from webportal.delivery.documents.sources import (
    MANUFACTURER,
    SeriesPlace,
    file_of,
    model_equipment,
    portal_equipment,
)
from webportal.delivery.documents.texts import cautions, comments, conclusions, percent
from webportal.inference.models import ModelVersion, Prediction
from webportal.records.choices import Category
from webportal.review.models import Addendum, Decision, Read
from webportal.review.reads.marks import PNEUMONIA, Mark

#: The text for an image whose result is withdrawn.
WITHDRAWN = (
    "The AI result for this image and its heat map are withdrawn:"
    " the model does not assess this image."
)
#: Series descriptions, by which viewers list them.
RESULT, REGION = "AI result, not verified", "AI region, not verified"
READ, MARKS = "Read, verified", "Marks of the read, verified"
_NOT_IN_NAMES = str.maketrans("\\^=", "   ")
Group = MeasurementsAndQualitativeEvaluations | PlanarROIMeasurementsAndQualitativeEvaluations


@dataclass(frozen=True)
class VerifyingObserver:
    """The verifying observer of a document, the organization and the time."""

    reader: User
    organization: str
    at: datetime


def uid_of(*parts: object) -> UID:
    """A reproducible UID, derived from the given parts (PS3.5 B.2)."""
    name = "/".join(str(part) for part in parts)
    return UID(f"2.25.{uuid.uuid5(uuid.NAMESPACE_URL, f'chestline:{name}').int}")


# ── The model ───────────────────────────────────────────────────────────────────────────────────
def result_report(
    prediction: Prediction, source: Dataset, place: SeriesPlace, previous: Sequence[Dataset] = ()
) -> bytes:
    """The model's result for a whole image; unverified. `previous`: what it supersedes."""
    assessment = coding.MODEL_SAYS[Category(prediction.shown_category)]
    evaluations: list[ContentItem] = [_code(coding.PNEUMONIA, assessment)]
    evaluations += [_text(coding.COMMENT, caution) for caution in cautions(prediction)]
    probability = percent(prediction)
    if prediction.shown_category == Category.UNLIKELY:
        if probability is not None:
            evaluations.append(_text(coding.COMMENT, f"Probability of pneumonia: {probability} %"))
        return _unverified([], evaluations, prediction, source, place, previous)
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking("Model", prediction.pk),
        finding_type=coding.PNEUMONIA,
        algorithm_id=_algorithm(prediction.model_version),
        source_images=[_source_image(source)],
        measurements=[]
        if probability is None
        else [Measurement(coding.CERTAINTY_OF_FINDING, probability, coding.PERCENT)],
        qualitative_evaluations=[QualitativeEvaluation(coding.PNEUMONIA, assessment)],
    )
    return _unverified([group], evaluations, prediction, source, place, previous)


def result_region(
    prediction: Prediction,
    region: Rectangle | None,
    source: Dataset,
    place: SeriesPlace,
    previous: Sequence[Dataset] = (),
) -> bytes:
    """The hottest region of the model's heat map on an image; unverified.

    Without a region it supersedes that of a former result.
    """
    if region is None:
        none = _text(coding.COMMENT, "The present result has no region.")
        return _unverified([], [none], prediction, source, place, previous, REGION)
    assessment = coding.MODEL_SAYS[Category(prediction.shown_category)]
    group = PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking("Heat map", prediction.pk, "region"),
        referenced_region=regions.of_rectangle(region, source),
        finding_type=coding.PNEUMONIA,
        algorithm_id=_algorithm(prediction.model_version),
        qualitative_evaluations=[QualitativeEvaluation(coding.PNEUMONIA, assessment)],
    )
    told = [_text(coding.COMMENT, caution) for caution in cautions(prediction)]
    return _unverified([group], told, prediction, source, place, previous, REGION)


def withdrawal(
    prediction: Prediction, source: Dataset, place: SeriesPlace, previous: Sequence[Dataset]
) -> bytes:
    """The withdrawal of a result and its region, which are `previous`; unverified."""
    return _unverified([], [_text(coding.COMMENT, WITHDRAWN)], prediction, source, place, previous)


def _unverified(
    groups: Sequence[Group],
    evaluations: Sequence[ContentItem],
    prediction: Prediction,
    source: Dataset,
    place: SeriesPlace,
    previous: Sequence[Dataset],
    description: str = RESULT,
) -> bytes:
    model = prediction.model_version
    device = DeviceObserverIdentifyingAttributes(
        uid=uid_of("model", model.pk),
        name=model.name,
        manufacturer_name=MANUFACTURER,
        model_name=model.name,
        serial_number=model.version,
    )
    observer = ObserverContext(dicom_codes.DCM.Device, device)
    context = ObservationContext(observer_device_context=observer)
    document = ComprehensiveSR(
        evidence=[source],
        content=_content(context, groups, evaluations),
        **_placed(place),
        is_complete=True,
        is_final=False,
        is_verified=False,
        previous_versions=list(previous) or None,
        contributing_equipment=[model_equipment(model), portal_equipment()],
    )
    document.SeriesDescription = description
    return file_of(document)


def _algorithm(model: ModelVersion) -> AlgorithmIdentification:
    return AlgorithmIdentification(
        name=model.name,
        version=model.version,
        manufacturer=MANUFACTURER,
        family=dicom_codes.DCM.ArtificialIntelligence,
    )


# ── The reader ──────────────────────────────────────────────────────────────────────────────────
def read_report(
    read: Read,
    addenda: Sequence[Addendum],
    sources: Mapping[uuid.UUID, Dataset],
    place: SeriesPlace,
    verifications: Sequence[VerifyingObserver],
    previous: Sequence[Dataset] = (),
) -> bytes:
    """A read's findings, impression and addenda; verified by the last author."""
    images = [_source_image(source) for source in sources.values()]
    groups: list[Group] = []
    evaluations: list[ContentItem] = []
    for code, assessment, sites in _assessments(read):
        evaluations.append(_code(code, assessment))
        if assessment == coding.ABSENT:
            continue
        groups.append(
            MeasurementsAndQualitativeEvaluations(
                tracking_identifier=_tracking(code.meaning, read.pk, code.value),
                finding_type=code if code != coding.QUALITY_ASSESSMENT else assessment,
                finding_sites=sites,
                source_images=images,
                qualitative_evaluations=[QualitativeEvaluation(code, assessment)],
            )
        )
    evaluations += _texts(read, addenda)
    content = _content(_by(verifications[0]), groups, evaluations)
    return _verified(content, list(sources.values()), place, verifications, previous)


def read_marks(
    read: Read,
    marks: Sequence[Mark],
    sources: Mapping[uuid.UUID, Dataset],
    place: SeriesPlace,
    verifications: Sequence[VerifyingObserver],
    previous: Sequence[Dataset] = (),
) -> bytes:
    """The reader's marks on the images; verified by the reader.

    Without a mark it supersedes the marks of a former read.
    """
    evaluations = [] if marks else [_text(coding.COMMENT, "The present read has no marks.")]
    groups = [
        PlanarROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=_tracking(f"Mark {number}", read.pk, "mark", number),
            referenced_region=regions.of_mark(mark, sources[mark.radiograph]),
            finding_type=_marked(mark.finding),
        )
        for number, mark in enumerate(marks, 1)
    ]
    content = _content(_by(verifications[0]), groups, evaluations)
    return _verified(content, list(sources.values()), place, verifications, previous, MARKS)


def _assessments(read: Read) -> list[tuple[Code, Code, list[FindingSite]]]:
    """The statements of a read: which finding, its presence, and its site."""
    sites = [FindingSite(*coding.zone(name)) for name in read.zones]
    if read.decision == Decision.NOT_INTERPRETABLE:
        assessment = [(coding.QUALITY_ASSESSMENT, coding.UNUSABLE, sites)]
    else:
        assessment = [(coding.PNEUMONIA, coding.certainty(read.pneumonia), sites)]
    # A reader may see a pneumothorax on an image that is no use for pneumonia.
    others = (coding.other_finding(name) for name in read.other_findings)
    return assessment + [(code, coding.PRESENT, []) for code in others if code is not None]


def _texts(read: Read, addenda: Sequence[Addendum]) -> list[ContentItem]:
    """The texts of uncoded findings, measurements, impression and addenda."""
    found = [(coding.COMMENT, text) for text in comments(read)]
    found += [(coding.CONCLUSION, text) for text in conclusions(read, addenda)]
    return [_text(name, text) for name, text in found]


def _marked(finding: str) -> Code:
    if finding == PNEUMONIA:
        return coding.PNEUMONIA
    return coding.other_finding(finding) or coding.ABNORMALITY


def _by(verification: VerifyingObserver) -> ObservationContext:
    person = PersonObserverIdentifyingAttributes(
        name=person_name(verification.reader),
        login_name=verification.reader.username,
        organization_name=verification.organization,
    )
    return ObservationContext(
        observer_person_context=ObserverContext(dicom_codes.DCM.Person, person)
    )


def _verified(
    content: MeasurementReport,
    sources: Sequence[Dataset],
    place: SeriesPlace,
    verifications: Sequence[VerifyingObserver],
    previous: Sequence[Dataset],
    description: str = READ,
) -> bytes:
    first = verifications[0]
    document = ComprehensiveSR(
        evidence=sources,
        content=content,
        **_placed(place),
        is_complete=True,
        is_final=True,
        is_verified=True,
        institution_name=first.organization,
        verifying_observer_name=person_name(first.reader),
        verifying_organization=first.organization,
        previous_versions=list(previous) or None,
        contributing_equipment=[portal_equipment()],
    )
    document.VerifyingObserverSequence = [_observer(each) for each in verifications]
    document.SeriesDescription = description
    return file_of(document)


def _observer(verification: VerifyingObserver) -> Dataset:
    item = Dataset()
    item.VerifyingObserverName = person_name(verification.reader)
    item.VerifyingObserverIdentificationCodeSequence = []
    item.VerifyingOrganization = verification.organization
    item.VerificationDateTime = DT(verification.at)
    return item


def person_name(person: User) -> str:
    """A user's name as DICOM PN: undivided, because accounts do not separate its components."""
    return f"{str(person).translate(_NOT_IN_NAMES)}^"


# ── Both ────────────────────────────────────────────────────────────────────────────────────────
def _placed(place: SeriesPlace) -> dict[str, Any]:
    return {
        "series_instance_uid": place.series_instance_uid,
        "series_number": place.series_number,
        "sop_instance_uid": place.sop_instance_uid,
        "instance_number": place.instance_number,
        "manufacturer": MANUFACTURER,
    }


def _content(
    context: ObservationContext, groups: Sequence[Group], evaluations: Sequence[ContentItem]
) -> MeasurementReport:
    content = MeasurementReport(
        observation_context=context,
        procedure_reported=coding.PROCEDURE,
        imaging_measurements=groups or [_empty_group()],
        title=dicom_codes.DCM.ImagingMeasurementReport,
    )
    if not groups:
        # TID 1500 allows evaluations alone, but highdicom requires a group.
        content[0].ContentSequence.pop()
    if evaluations:
        container = ContainerContentItem(
            coding.concept(coding.QUALITATIVE_EVALUATIONS),
            is_content_continuous=False,
            relationship_type="CONTAINS",
        )
        container.ContentSequence = ContentSequence(evaluations)
        content[0].ContentSequence.append(container)
    return content


def _code(name: Code, value: Code) -> CodeContentItem:
    return CodeContentItem(
        coding.concept(name), coding.concept(value), relationship_type="CONTAINS"
    )


def _text(name: Code, text: str) -> TextContentItem:
    return TextContentItem(coding.concept(name), text, relationship_type="CONTAINS")


def _empty_group() -> MeasurementsAndQualitativeEvaluations:
    return MeasurementsAndQualitativeEvaluations(tracking_identifier=_tracking("None"))


def _tracking(name: str, *parts: object) -> TrackingIdentifier:
    return TrackingIdentifier(uid=uid_of("tracking", *parts), identifier=name)


def _source_image(source: Dataset) -> SourceImageForMeasurementGroup:
    return SourceImageForMeasurementGroup(source.SOPClassUID, source.SOPInstanceUID)
