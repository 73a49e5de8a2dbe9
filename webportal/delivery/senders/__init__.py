"""Senders, one module per protocol."""

from django.utils.module_loading import import_string

from webportal.delivery.models import Destination, Protocol
from webportal.delivery.senders.outcome import Sender

# Loaded once needed: the portal sends only when somebody tests a destination, and the documents and
# pynetdicom would take 25 MB of its memory.
_BY_PROTOCOL: dict[str, str] = {
    Protocol.DICOM: "webportal.delivery.senders.dicom.StoreSender",
    Protocol.DICOMWEB: "webportal.delivery.senders.dicomweb.StowSender",
    Protocol.HL7: "webportal.delivery.senders.mllp.MllpSender",
    Protocol.FHIR: "webportal.delivery.senders.fhir.FhirSender",
}


def sender_for(destination: Destination) -> Sender:
    """A sender for a destination; the caller must close it."""
    kind: type[Sender] = import_string(_BY_PROTOCOL[destination.protocol])
    return kind(destination)
