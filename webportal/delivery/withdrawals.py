"""Results sent to a destination that are no longer valid, and their withdrawal.

A newer result of an image replaces the one before. But an image may no longer have a result: the
model does not assess it after all, or a corrected date puts it outside the model's purpose.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet

from webportal.delivery.documents.fhir.resources import observation_id
from webportal.delivery.documents.fhir.results import key_of
from webportal.delivery.documents.fhir.transactions import observations_in
from webportal.delivery.models import (
    OF_ALL_RESULTS,
    WITHDRAWALS,
    Content,
    Delivery,
    DeliveryState,
    Destination,
    DocumentKind,
    Protocol,
)
from webportal.delivery.release import ASSESSED, is_reported
from webportal.delivery.retractions import times_moved
from webportal.delivery.revisions import revision_with_cautions
from webportal.inference.models import Prediction
from webportal.records.models import Study

Withdrawal = tuple[DocumentKind, Prediction, int]


def left(destination: Destination, study: Study, *kinds: DocumentKind) -> QuerySet[Delivery]:
    """The deliveries sent to a destination, latest first; they may have arrived unacknowledged.

    Without the contents, which are long.
    """
    found = Delivery.objects.filter(
        destination=destination, document__kind__in=kinds, document__study=study, attempts__gt=0
    ).exclude(state=DeliveryState.REJECTED)
    related = found.select_related(
        "document__read", "document__prediction__model_version", "document__prediction__radiograph"
    )
    return related.defer("document__content").order_by("-document__created_at")


def times_withdrawn(destination: Destination, study: Study, result: Prediction) -> int:
    """How often the result was withdrawn from a destination before it became valid again.

    By FHIR a study's results are sent together, so each withdrawal counts for all of them.
    """
    deliveries = _withdrawals(destination, study)
    if destination.protocol != Protocol.FHIR:
        deliveries = deliveries.filter(document__prediction=result)
    return deliveries.count()


def revision_to_send(
    destination: Destination, study: Study, results: Sequence[Prediction], *kinds: DocumentKind
) -> int:
    """Which revision of the document of these results, the newest last, a destination is sent.

    The next one after those whose cautions are no longer those of the results.
    """
    newest = results[-1]
    least = times_moved(study) + times_withdrawn(destination, study, newest)
    return revision_with_cautions(study, results, kinds, least)


def to_withdraw(
    destination: Destination, study: Study, results: Sequence[Prediction]
) -> Iterator[Withdrawal]:
    """The results sent for images that have none now: kind of document, and revision."""
    images = {result.radiograph_id for result in results}
    kind = DocumentKind.WITHDRAWN
    if destination.protocol == Protocol.FHIR:
        has_early = Content.READS in destination.sends and not images and not is_reported(study)
        kind = DocumentKind.NO_EARLY_FHIR if has_early else DocumentKind.WITHDRAWN_FHIR
    find = _by_fhir if destination.protocol == Protocol.FHIR else _one_by_one
    for result in find(destination, study):
        if result.radiograph_id not in images:
            yield kind, result, times_moved(study) + times_withdrawn(destination, study, result)


def _withdrawals(destination: Destination, study: Study) -> QuerySet[Delivery]:
    """The withdrawals sent or to be sent to a destination, latest first."""
    deliveries = Delivery.objects.filter(
        destination=destination, document__kind__in=WITHDRAWALS, document__study=study
    )
    to_come = Q(attempts__gt=0) | Q(state=DeliveryState.WAITING)
    found = deliveries.filter(to_come).exclude(state=DeliveryState.REJECTED)
    related = found.select_related("document__prediction").defer("document__content")
    return related.order_by("-document__created_at")


def _withdrawn_at(destination: Destination, study: Study) -> dict[UUID, datetime]:
    """When the result of each image was last withdrawn."""
    found: dict[UUID, datetime] = {}
    for delivery in _withdrawals(destination, study):
        result = delivery.document.prediction
        assert result is not None
        found.setdefault(result.radiograph_id, delivery.document.created_at)
    return found


def _one_by_one(destination: Destination, study: Study) -> Iterator[Prediction]:
    """The last result of each image that was sent and not withdrawn since."""
    withdrawn = _withdrawn_at(destination, study)
    seen = set()
    for delivery in left(destination, study, DocumentKind.RESULT, DocumentKind.CAPTURE):
        document, result = delivery.document, delivery.document.prediction
        assert result is not None
        image = result.radiograph_id
        if image not in seen and withdrawn.get(image, document.created_at) <= document.created_at:
            yield result
        seen.add(image)


def _by_fhir(destination: Destination, study: Study) -> Iterator[Prediction]:
    """The same by FHIR; a transaction has the results of all images, and refers to the newest."""
    withdrawn = _withdrawn_at(destination, study)
    said: dict[str, datetime] = {}
    for delivery in left(destination, study, *OF_ALL_RESULTS).defer(None):
        document = delivery.document
        for observation in observations_in(bytes(document.content or b"{}")):
            said.setdefault(observation, document.created_at)
    for image in study.radiographs.all():
        at = said.get(observation_id(study, key_of(image.pk)))
        former = Prediction.objects.filter(radiograph=image, category__in=ASSESSED)
        result = former.select_related("model_version").order_by("-created_at").first()
        if at is not None and withdrawn.get(image.pk, at) <= at and result is not None:
            yield result
