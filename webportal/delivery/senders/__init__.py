"""Senders, one module per protocol."""

from webportal.delivery.models import Destination, Protocol
from webportal.delivery.senders.dicom import StoreSender
from webportal.delivery.senders.dicomweb import StowSender
from webportal.delivery.senders.fhir import FhirSender
from webportal.delivery.senders.mllp import MllpSender
from webportal.delivery.senders.outcome import Sender

_BY_PROTOCOL: dict[str, type[Sender]] = {
    Protocol.DICOM: StoreSender,
    Protocol.DICOMWEB: StowSender,
    Protocol.HL7: MllpSender,
    Protocol.FHIR: FhirSender,
}


def sender_for(destination: Destination) -> Sender:
    """A sender for a destination; the caller must close it."""
    return _BY_PROTOCOL[destination.protocol](destination)
