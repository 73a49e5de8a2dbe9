"""Storage commitment as SCP (PS3.4 J): what nodes request, and which instances are stored.

An N-ACTION is acknowledged once the request is recorded. The report is sent later, on an
association of its own, and is true at that time: see `report`.
"""

import logging
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from django.db import transaction
from pydicom import uid
from pydicom.dataset import Dataset
from pynetdicom.association import Association
from pynetdicom.events import Event as DicomEvent
from pynetdicom.presentation import build_role

from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.backoff import pause_seconds
from webportal.database.clock import clock
from webportal.dicom_status import (
    CLASS_CONFLICT,
    INVALID_ARGUMENT,
    NO_SUCH_ACTION,
    NO_SUCH_INSTANCE,
    PROCESSING_FAILURE,
    RESOURCE_LIMITATION,
    SUCCESS,
)
from webportal.intake.models import Verdict
from webportal.network import inbox, scu
from webportal.network.health import LONGEST_WAIT
from webportal.network.models import (
    Commitment,
    CommitmentState,
    InboxState,
    Node,
    ReceivedInstance,
)
from webportal.network.sop_classes import COMMITMENT, PLAIN_SYNTAXES
from webportal.records.files import StoredFileError, read_original
from webportal.records.identifiers import is_uid
from webportal.records.models import Radiograph
from webportal.storage import DamagedFileError, StorageAwayError, is_storage_away, read_verified

logger = logging.getLogger(__name__)

# PS3.4 J.3.2: the well-known instance and the action; J.3.3: the events.
INSTANCE = uid.UID("1.2.840.10008.1.20.1.1")
_REQUEST = 1
_ALL_COMMITTED, _SOME_FAILED = 1, 2
MOST_INSTANCES = 5000

_GIVE_UP_AFTER = timedelta(days=3)
_LOOK_AGAIN_SECONDS = 1.0
_STORAGE_AWAY_SECONDS = 60.0


def request(node: Node, address: str, event: DicomEvent) -> int:
    """Record the request of an N-ACTION; returns its status. Raises database errors."""
    asked: Any = event.request
    if asked.RequestedSOPInstanceUID != INSTANCE:
        return NO_SUCH_INSTANCE
    if event.action_type != _REQUEST:
        return NO_SUCH_ACTION
    try:
        transaction_uid, instances = _read(event.action_information)
    except Exception:  # pydicom raises arbitrary exceptions on broken data sets
        return INVALID_ARGUMENT
    if len(instances) > MOST_INSTANCES:
        return RESOURCE_LIMITATION
    return _record(node, address, transaction_uid, instances)


def _read(information: Dataset) -> tuple[str, list[list[str]]]:
    """Transaction UID, and SOP class and instance UIDs. Raises ValueError, among others."""
    transaction_uid = str(information.TransactionUID)
    instances = [
        [str(each.ReferencedSOPClassUID), str(each.ReferencedSOPInstanceUID)]
        for each in information.ReferencedSOPSequence
    ]
    uids = [transaction_uid, *(value for pair in instances for value in pair)]
    if not instances or not all(is_uid(each) for each in uids):
        raise ValueError("no instances, or values that are no UIDs")
    return transaction_uid, instances


@transaction.atomic
def _record(node: Node, address: str, transaction_uid: str, instances: list[list[str]]) -> int:
    now = clock()
    waiting = {"state": CommitmentState.WAITING, "next_attempt_at": now, "settled_at": None}
    row, created = Commitment.objects.select_for_update().get_or_create(
        node=node,
        transaction_uid=transaction_uid,
        defaults=waiting | {"address": address, "instances": instances, "requested_at": now},
    )
    if created:
        return SUCCESS
    if row.instances != instances:
        return INVALID_ARGUMENT
    # Requested again, perhaps because the report did not arrive.
    again = waiting | {"address": address, "requested_at": now, "attempts": 0, "reason_code": ""}
    Commitment.objects.filter(pk=row.pk).update(**again)
    return SUCCESS


def report(row: Commitment) -> None:
    """Report on a request once intake has finished with its instances, and record the outcome.

    An instance is committed if it is in the storage, or held for a person's decision, and its bytes
    are intact. One that intake refused is not: see docs/dicom.md. After `LONGEST_WAIT`, instances
    that intake has not stored are reported as failed, and can be requested again.
    """
    try:
        _report(row)
    except Exception as error:  # an unexpected error in one request must not stop the others
        logger.error("A report on storage commitment failed: %s", type(error).__name__)
        _fail(row, "node_unexpected")


def _report(row: Commitment) -> None:
    if _waits_for_intake(row) and clock() - row.requested_at <= LONGEST_WAIT:
        _postpone(row, "", _LOOK_AGAIN_SECONDS)
        return
    try:
        if row.attempts:
            # Checking up to MOST_INSTANCES files is not repeated for a node that is still away.
            _associate(row).release()
        failures = {instance: why for instance, why in _outcomes(row) if why != SUCCESS}
        status = _send(row, failures)
    except StorageAwayError:
        _postpone(row, "storage_away", _STORAGE_AWAY_SECONDS)
    except scu.NotReachedError as error:
        _fail(row, error.code)
    else:
        if status == SUCCESS:
            _settle(row, failures)
        else:
            _fail(row, "report_refused" if status else "node_silent")


def _waits_for_intake(row: Commitment) -> bool:
    waiting = ReceivedInstance.objects.filter(node=row.node, state=InboxState.WAITING)
    uids = [instance for _class, instance in row.instances]
    return waiting.filter(sop_instance_uid__in=uids).exists()


def _outcomes(row: Commitment) -> Iterator[tuple[str, int]]:
    """Each instance with SUCCESS or its Failure Reason."""
    uids = [instance for _class, instance in row.instances]
    received = ReceivedInstance.objects.filter(node=row.node, sop_instance_uid__in=uids)
    # The last instance that the node sent under a UID is the one it may be about to delete.
    own = {
        each.sop_instance_uid: each
        for each in received.select_related("item__radiograph").order_by("received_at")
    }
    stored = Radiograph.objects.filter(sop_instance_uid__in=uids)
    others = {each.sop_instance_uid: each for each in stored}
    for sop_class, instance in row.instances:
        if instance in own:
            yield instance, _of_received(own[instance], sop_class)
        elif instance in others:
            yield instance, _of_stored(others[instance], sop_class)
        else:
            yield instance, NO_SUCH_INSTANCE


def _of_received(row: ReceivedInstance, sop_class: str) -> int:
    if row.sop_class_uid != sop_class:
        return CLASS_CONFLICT
    item = row.item
    if row.state == InboxState.SET_ASIDE:
        return _success_if(lambda: inbox.read(row))
    if item is None or row.state not in (InboxState.TAKEN, InboxState.HELD):
        return PROCESSING_FAILURE
    if item.verdict == Verdict.HELD:
        return _success_if(lambda: read_verified(item.held_key, item.sha256))
    if item.radiograph is None:  # discarded by a person meanwhile
        return PROCESSING_FAILURE
    radiograph = item.radiograph
    return _success_if(lambda: read_original(radiograph))


def _of_stored(radiograph: Radiograph, sop_class: str) -> int:
    if radiograph.sop_class_uid != sop_class:
        return CLASS_CONFLICT
    return _success_if(lambda: read_original(radiograph))


def _success_if(read: Callable[[], bytes]) -> int:
    """SUCCESS if the file can be read as it was received. Raises StorageAwayError."""
    try:
        read()
    except (OSError, DamagedFileError, StoredFileError) as error:
        if is_storage_away():
            raise StorageAwayError from error
        logger.error("A file that was to be committed is missing or damaged")
        return PROCESSING_FAILURE
    return SUCCESS


def _associate(row: Commitment) -> Association:
    """An association for the report. Raises NotReachedError."""
    entity = scu.own_entity()
    entity.add_requested_context(COMMITMENT, list(PLAIN_SYNTAXES))
    association = scu.associate(
        row.node,
        row.node.host or row.address,
        entity,
        ext_neg=[build_role(COMMITMENT, scp_role=True)],
    )
    if COMMITMENT in {each.abstract_syntax for each in association.accepted_contexts}:
        return association
    association.release()
    raise scu.NotReachedError("report_not_offered")


def _send(row: Commitment, failures: dict[str, int]) -> int | None:
    """Send the N-EVENT-REPORT; returns its status, or None if there is no response.

    Raises NotReachedError.
    """
    association = _associate(row)
    kind = _SOME_FAILED if failures else _ALL_COMMITTED
    try:
        answer, _reply = association.send_n_event_report(
            _report_of(row, failures), kind, COMMITMENT, INSTANCE
        )
    except RuntimeError:  # the association has ended
        return None
    finally:
        if association.is_established:
            association.release()
    return int(answer.Status) if "Status" in answer else None


def _report_of(row: Commitment, failures: dict[str, int]) -> Dataset:
    committed: list[Dataset] = []
    failed: list[Dataset] = []
    for sop_class, instance in row.instances:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, instance
        if instance in failures:
            item.FailureReason = failures[instance]
        (failed if instance in failures else committed).append(item)
    information = Dataset()
    information.TransactionUID = row.transaction_uid
    if committed:
        information.ReferencedSOPSequence = committed
    if failed:
        information.FailedSOPSequence = failed
    return information


@transaction.atomic
def _settle(row: Commitment, failures: dict[str, int]) -> None:
    row.state, row.settled_at, row.failed = CommitmentState.REPORTED, clock(), len(failures)
    row.attempts, row.reason_code = row.attempts + 1, ""
    row.save(update_fields=["state", "settled_at", "failed", "attempts", "reason_code"])
    detail = {
        "node": row.node.ae_title,
        "transaction_uid": row.transaction_uid,
        "committed": len(row.instances) - len(failures),
        "failed": {instance: f"{why:04X}" for instance, why in failures.items()},
    }
    append(Event(Action.STORAGE_COMMITTED, "commitment", row.pk, detail=detail))


def _fail(row: Commitment, code: str) -> None:
    """Record that a report did not arrive; it is retried later, or given up."""
    row.attempts += 1
    row.save(update_fields=["attempts"])
    if clock() - row.requested_at < _GIVE_UP_AFTER:
        _postpone(row, code, pause_seconds(row.attempts))
        return
    row.state, row.reason_code, row.settled_at = CommitmentState.GIVEN_UP, code, clock()
    row.save(update_fields=["state", "reason_code", "settled_at"])


def _postpone(row: Commitment, code: str, seconds: float) -> None:
    row.reason_code, row.next_attempt_at = code, clock() + timedelta(seconds=seconds)
    row.save(update_fields=["reason_code", "next_attempt_at"])
