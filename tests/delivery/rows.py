"""Make destinations and deliveries in the database."""

from typing import Any

from django.utils import timezone

from tests.factories import make_prediction
from webportal.accounts.models import Role, User
from webportal.delivery.destinations import create_destination
from webportal.delivery.models import (
    Content,
    Delivery,
    DeliveryState,
    Destination,
    Document,
    DocumentKind,
    Protocol,
)
from webportal.inference.models import Prediction


def make_pacs(
    name: str = "PACS", protocol: Protocol = Protocol.DICOM, **fields: Any
) -> Destination:
    """A PACS, at a port where nothing listens unless the fields say otherwise."""
    it = User.objects.filter(username="delivery-it").first()
    by = it or User.objects.create_user("delivery-it", None, [Role.IT])
    values: dict[str, Any] = {
        "name": name,
        "ae_title": "PACS",
        "host": "127.0.0.1",
        "port": 1,
        "sends": [Content.READS, Content.RESULTS],
    }
    return create_destination(protocol, values | fields, by)


def make_delivery(
    destination: Destination,
    state: str = DeliveryState.WAITING,
    prediction: Prediction | None = None,
    **fields: Any,
) -> Delivery:
    """A delivery of a result in a state."""
    prediction = prediction or make_prediction()
    document = Document.objects.create(
        kind=DocumentKind.RESULT, study=prediction.radiograph.study, prediction=prediction
    )
    now = timezone.now()
    defaults: dict[str, Any] = {"next_attempt_at": now}
    if state not in (DeliveryState.WAITING, DeliveryState.STORED):
        defaults |= {"settled_at": now}
    if state == DeliveryState.REJECTED:
        defaults |= {
            "attempts": 1,
            "reason_code": "rejected_by_destination",
            "reason_params": {"answer": "0xA900"},
        }
    return Delivery.objects.create(
        destination=destination, document=document, state=state, **defaults | fields
    )
