"""C-STORE to a PACS."""

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import pydicom
from django.conf import settings
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import UID, JPEGBaseline8Bit, SecondaryCaptureImageStorage
from pynetdicom.association import Association

from webportal.delivery.models import Delivery, Destination
from webportal.delivery.senders.outcome import (
    NO_ANSWER,
    NOT_REACHED,
    Confirmation,
    Sender,
    SendOutcome,
    SendResult,
    busy,
    delivered,
    doubtful,
    rejected,
)
from webportal.dicom_status import (
    CANNOT_UNDERSTAND,
    DUPLICATE_INSTANCE,
    INVALID_INSTANCE,
    MISTYPED_ARGUMENT,
    NOT_AUTHORIZED,
    NOT_MATCHING,
    SOP_CLASS_NOT_SUPPORTED,
    SUCCESS,
    UNRECOGNIZED_OPERATION,
)
from webportal.network import commitment_scu
from webportal.network.scu import own_entity
from webportal.network.sop_classes import DOCUMENTS, PLAIN_SYNTAXES, VERIFICATION, name_of
from webportal.tls import client_context

#: SOP classes sent, with the transfer syntaxes proposed for each.
PROPOSED: list[tuple[UID, tuple[UID, ...]]] = [
    *((each, PLAIN_SYNTAXES) for each in DOCUMENTS),
    (SecondaryCaptureImageStorage, (JPEGBaseline8Bit,)),
    (SecondaryCaptureImageStorage, PLAIN_SYNTAXES),
]

# Responses to C-STORE.
_WARNINGS = (0xB000, 0xB006, 0xB007)
_REJECTIONS = (INVALID_INSTANCE, MISTYPED_ARGUMENT)
# Perhaps a fault of the PACS.
_DOUBTFUL = (SOP_CLASS_NOT_SUPPORTED, NOT_AUTHORIZED, UNRECOGNIZED_OPERATION)
_CONNECT_SECONDS = 10


class StoreSender(Sender):
    """Sends all due documents over one association."""

    def __init__(self, destination: Destination) -> None:
        super().__init__(destination)
        self._association: Association | None = None

    def send(self, delivery: Delivery) -> SendOutcome:
        """Store one instance."""
        document = delivery.document
        association = self._open()
        if isinstance(association, SendOutcome):
            return association
        assert document.content is not None
        dataset = pydicom.dcmread(BytesIO(bytes(document.content)))
        try:
            status = self._store(association, dataset)
        except ValueError:  # no presentation context for it was accepted
            kind = name_of(document.sop_class_uid)
            return SendOutcome(SendResult.DOUBTFUL, "not_negotiated", {"kind": kind})
        except RuntimeError:
            return NO_ANSWER
        return _outcome(status)

    def _store(self, association: Association, dataset: FileDataset) -> Dataset:
        """Store an instance, uncompressed if nothing else is accepted. Raises ValueError."""
        try:
            return association.send_c_store(dataset)
        except ValueError:
            if not dataset.file_meta.TransferSyntaxUID.is_compressed:
                raise
        dataset.decompress(generate_instance_uid=False)
        return association.send_c_store(dataset)

    def test(self) -> SendOutcome:
        """Send a C-ECHO."""
        association = self._open()
        if isinstance(association, SendOutcome):
            return association
        try:
            status = association.send_c_echo()
        except (ValueError, RuntimeError):
            return NO_ANSWER
        return delivered() if "Status" in status and status.Status == 0 else NO_ANSWER

    def confirm(self, deliveries: Sequence[Delivery]) -> Confirmation | SendOutcome:
        """Request storage commitment; the report arrives now, or later at the receiver."""
        association = self._open()
        if isinstance(association, SendOutcome):
            return association
        to = self.destination
        documents = [each.document for each in deliveries]
        instances = [(each.sop_class_uid, each.sop_instance_uid) for each in documents]
        try:
            request = commitment_scu.ask(association, to.ae_title, to.host, instances)
        except commitment_scu.NotOfferedError:
            return SendOutcome(SendResult.AGAIN, "commitment_not_offered")
        except commitment_scu.NotAcceptedError as error:
            return busy(error.answer) if error.answer else NO_ANSWER
        return Confirmation(request=request)

    def close(self) -> None:
        """Release the association."""
        if self._association is not None and self._association.is_established:
            self._association.release()
        self._association = None

    def _open(self) -> Association | SendOutcome:
        if self._association is not None and self._association.is_established:
            return self._association
        entity = own_entity()
        entity.connection_timeout = _CONNECT_SECONDS
        entity.acse_timeout = entity.dimse_timeout = settings.DELIVERY_ANSWER_SECONDS
        entity.network_timeout = settings.DELIVERY_ANSWER_SECONDS
        entity.add_requested_context(VERIFICATION)
        for sop_class, syntaxes in PROPOSED:
            entity.add_requested_context(sop_class, list(syntaxes))
        to = self.destination
        assert to.port is not None
        handlers = commitment_scu.propose(entity) if to.confirms else []
        tls = client_context() if to.uses_tls else None
        association = entity.associate(
            to.host,
            to.port,
            ae_title=to.ae_title,
            tls_args=(tls, to.certificate_name or to.host) if tls else None,
            evt_handlers=handlers,
        )
        if association.is_established:
            self._association = association
            return association
        if association.is_rejected:
            title = settings.DICOM_AE_TITLE
            return SendOutcome(SendResult.AWAY, "association_rejected", {"title": title})
        return NOT_REACHED


def _outcome(status: Any) -> SendOutcome:
    """The outcome for a C-STORE response; an empty status means that there was none."""
    if "Status" not in status:
        return NO_ANSWER
    code = int(status.Status)
    # The Error Comment is left out: it often names the patient.
    answer = f"0x{code:04X}"
    if code in (SUCCESS, DUPLICATE_INSTANCE, *_WARNINGS):
        return delivered(answer if code != SUCCESS else "")
    if code in _DOUBTFUL:
        return doubtful(answer)
    is_wrong = code & 0xFF00 == NOT_MATCHING or code & 0xF000 == CANNOT_UNDERSTAND
    return rejected(answer) if is_wrong or code in _REJECTIONS else busy(answer)
