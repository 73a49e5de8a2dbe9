"""The model's results of a study: preliminary observations, and a preliminary report of them."""

import uuid
from collections.abc import Sequence

from webportal.database.clock import clock
from webportal.delivery.documents import coding
from webportal.delivery.documents.fhir.elements import (
    Json,
    concept,
    percentage,
    radlex,
    reference,
)
from webportal.delivery.documents.fhir.resources import (
    BY_MODEL,
    NOT_VERIFIED,
    device,
    diagnostic_report,
    image_references,
    imaging_study,
    instant,
    observation,
)
from webportal.delivery.documents.fhir.transactions import transaction
from webportal.delivery.documents.texts import cautions, percent
from webportal.inference.models import Prediction
from webportal.records.choices import Category
from webportal.records.models import Study
from webportal.review.reads import codes

#: The status of an observation of the model, whatever a reader has signed.
STATUS = "preliminary"
#: The status of an observation of the model that was withdrawn.
WITHDRAWN = "entered-in-error"
#: The status of a preliminary report whose results are all withdrawn.
CANCELLED = "cancelled"
NO_REPORT = "The AI result is withdrawn. The study is to be read by a radiologist."


def results_transaction(study: Study, results: Sequence[Prediction], *, with_report: bool) -> bytes:
    """The current results of a study, the newest last; and a preliminary report, if wanted.

    An image's result is the same observation whichever model version gives it.
    """
    images = list(study.radiographs.select_related("series"))
    numbers = {image.pk: number for number, image in enumerate(images, 1)}
    imaging = imaging_study(study, images)
    devices = {each.model_version_id: device(each.model_version) for each in results}
    observations = [
        _observation(study, imaging, devices[each.model_version_id], each) for each in results
    ]
    resources = [*devices.values(), imaging, *observations]
    if with_report:
        lines = [_line(each, numbers[each.radiograph_id]) for each in results]
        resources.append(_preliminary_report(study, imaging, observations, results[-1], lines))
    return transaction(resources)


def withdrawal_transaction(study: Study, result: Prediction, *, with_report: bool) -> bytes:
    """The withdrawal of a result that was sent, and of the preliminary report.

    The report is cancelled, not entered in error, because it has never been final.
    """
    imaging = imaging_study(study, list(study.radiographs.select_related("series")))
    model = device(result.model_version)
    found = observation(
        study,
        key_of(result.radiograph_id),
        WITHDRAWN,
        concept(coding.PNEUMONIA, *radlex(codes.PNEUMONIA.radlex)),
        method=concept(BY_MODEL, words=NOT_VERIFIED),
        device=reference(model),
        derivedFrom=image_references(imaging, [result.radiograph]),
    )
    resources = [model, imaging, found]
    if with_report:
        words = [NO_REPORT]
        resources.append(
            diagnostic_report(study, imaging, [], CANCELLED, clock(), words, conclusion=NO_REPORT)
        )
    return transaction(resources)


def key_of(radiograph: uuid.UUID) -> tuple[str, uuid.UUID]:
    """The key that distinguishes the model's observation on an image from others of the study."""
    return "model", radiograph


def _observation(study: Study, imaging: Json, model: Json, result: Prediction) -> Json:
    says = coding.MODEL_SAYS[Category(result.shown_category)]
    probability = percent(result)
    components: list[Json] = []
    if probability is not None:
        code = concept(coding.CERTAINTY_OF_FINDING)
        components = [{"code": code, "valueQuantity": percentage(probability)}]
    return observation(
        study,
        key_of(result.radiograph_id),
        STATUS,
        concept(coding.PNEUMONIA, *radlex(codes.PNEUMONIA.radlex)),
        issued=instant(result.created_at),
        valueCodeableConcept=concept(says),
        method=concept(BY_MODEL, words=NOT_VERIFIED),
        device=reference(model),
        derivedFrom=image_references(imaging, [result.radiograph]),
        component=components,
        note=[{"text": caution} for caution in cautions(result)],
    )


def _preliminary_report(
    study: Study,
    imaging: Json,
    observations: Sequence[Json],
    newest: Prediction,
    lines: Sequence[str],
) -> Json:
    heading = f"{NOT_VERIFIED.upper()}."
    return diagnostic_report(
        study,
        imaging,
        observations,
        STATUS,
        newest.created_at,
        [heading, *lines],
        conclusion="\n".join([heading, *lines]),
    )


def _line(result: Prediction, number: int) -> str:
    says = coding.MODEL_SAYS[Category(result.shown_category)].meaning.lower()
    probability = percent(result)
    figure = f" (probability {probability} %)" if probability is not None else ""
    found = f"Image {number}: pneumonia {says}{figure}. {result.model_version}."
    return " ".join([found, *cautions(result)])
