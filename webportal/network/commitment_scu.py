"""Storage commitment as SCU (PS3.4 J): requesting it from a PACS for the instances sent to it.

The report arrives on the requesting association, or later on one that the PACS opens to the
receiver. Whatever sent the instances settles the request (webportal.delivery).
"""

import socket
import time
from collections.abc import Sequence
from typing import Any

from django.db import Error, connection, transaction
from pydicom import uid
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.events import Event as DicomEvent

from webportal.database.clock import clock
from webportal.dicom_status import INVALID_ARGUMENT, PROCESSING_FAILURE, SUCCESS
from webportal.network.commitment import INSTANCE
from webportal.network.models import StorageRequest, StorageRequestState
from webportal.network.sop_classes import COMMITMENT, PLAIN_SYNTAXES
from webportal.records.identifiers import is_uid

MOST_AT_ONCE = 500
_REQUEST = 1
# How long the association stays open for a report; many PACS open one of their own.
_REPORT_SECONDS = 2.0


class NotOfferedError(Exception):
    """The PACS does not offer storage commitment."""


class NotAcceptedError(Exception):
    """The PACS did not accept the request; `answer` is its status, or '' if there was none."""

    def __init__(self, answer: str) -> None:
        super().__init__(answer)
        self.answer = answer


def propose(entity: AE) -> list[Any]:
    """Propose storage commitment for an association; returns its handlers."""
    entity.add_requested_context(COMMITMENT, list(PLAIN_SYNTAXES))
    return [(evt.EVT_N_EVENT_REPORT, take_report)]


def ask(
    association: Association, ae_title: str, host: str, instances: Sequence[tuple[str, str]]
) -> StorageRequest:
    """Request commitment of pairs of SOP class and instance UID; wait briefly for the report.

    The request is recorded before it is sent, because the report may overtake the response.
    Raises NotOfferedError and NotAcceptedError.
    """
    if COMMITMENT not in {each.abstract_syntax for each in association.accepted_contexts}:
        raise NotOfferedError
    row = StorageRequest.objects.create(
        ae_title=ae_title,
        address=socket.getaddrinfo(host, None)[0][4][0],
        transaction_uid=uid.generate_uid(prefix=None),
        asked_at=clock(),
    )
    information = Dataset()
    information.TransactionUID = row.transaction_uid
    information.ReferencedSOPSequence = [_reference(*each) for each in instances]
    try:
        answer, _reply = association.send_n_action(information, _REQUEST, COMMITMENT, INSTANCE)
    except (RuntimeError, ValueError):  # the association has ended
        answer = Dataset()
    if answer.get("Status") != SUCCESS:
        row.delete()
        raise NotAcceptedError(f"0x{answer.Status:04X}" if "Status" in answer else "")
    _wait_for_report(association, row)
    return row


def _wait_for_report(association: Association, row: StorageRequest) -> None:
    ends_at = time.monotonic() + _REPORT_SECONDS
    while association.is_established and time.monotonic() < ends_at:
        row.refresh_from_db()
        if row.state == StorageRequestState.REPORTED:
            return
        time.sleep(0.05)


def _reference(sop_class: str, instance: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, instance
    return item


def may_report(ae_title: str, address: str) -> bool:
    """Whether a report is expected of this caller, which need not be a known node."""
    waiting = StorageRequest.objects.filter(state=StorageRequestState.WAITING)
    return waiting.filter(ae_title=ae_title, address=address).exists()


def take_report(event: DicomEvent) -> tuple[int, None]:
    """Record an N-EVENT-REPORT; returns its status."""
    try:
        return _take(event), None
    except Error:
        return PROCESSING_FAILURE, None
    finally:
        # Handlers run in threads of their own.
        connection.close()


@transaction.atomic
def _take(event: DicomEvent) -> int:
    try:
        information: Any = event.event_information
        transaction_uid = str(information.TransactionUID)
        committed = [
            str(each.ReferencedSOPInstanceUID)
            for each in _items(information, "ReferencedSOPSequence")
        ]
        failed = {
            str(each.ReferencedSOPInstanceUID): int(each.get("FailureReason", PROCESSING_FAILURE))
            for each in _items(information, "FailedSOPSequence")
        }
    except Exception:  # pydicom raises arbitrary exceptions on broken data sets
        return INVALID_ARGUMENT
    if not all(is_uid(each) for each in (transaction_uid, *committed, *failed)):
        return INVALID_ARGUMENT
    row = StorageRequest.objects.select_for_update().filter(transaction_uid=transaction_uid).first()
    if row is None:
        return INVALID_ARGUMENT
    row.committed, row.failed = committed, failed
    row.state, row.reported_at = StorageRequestState.REPORTED, clock()
    row.save()
    return SUCCESS


def _items(information: Dataset, keyword: str) -> Sequence[Dataset]:
    items: Sequence[Dataset] = information.get(keyword) or []
    return items
