"""Querying worklists for orders: C-FIND of the Modality Worklist, one association at a time.

`webportal.orders.questions` decides what is queried, and records the results.
"""

import logging
import threading
from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from pydicom.dataset import Dataset
from pynetdicom.association import Association

from webportal.audit.trail import append_all
from webportal.backoff import pause_seconds
from webportal.dicom_status import PENDING_MATCHES, SUCCESS
from webportal.network.models import Node
from webportal.network.scu import NotReachedError, associate, own_entity
from webportal.network.sop_classes import PLAIN_SYNTAXES, WORKLIST
from webportal.orders import modality_worklist, questions, receiving
from webportal.orders.hl7 import MessageError
from webportal.orders.models import OrderQuestion
from webportal.orders.reading import OrderContent
from webportal.reasons import Reason

logger = logging.getLogger(__name__)

#: A server that ignores the key returns its whole worklist, of which no more is searched.
MOST_ITEMS = 2000
#: Queries on one association, before the process looks for more urgent ones.
MOST_AT_ONCE = 50
#: The accession number of the test query: no order has it, so the result shows no patient.
NOBODY = "CHESTLINE-TEST"


class QuestionError(Exception):
    """A query failed; `reason` says why."""

    def __init__(self, code: str, **params: object) -> None:
        super().__init__(code)
        self.reason = Reason(code, params)


def nodes_to_ask() -> set[UUID]:
    """The nodes whose worklist is to be queried now."""
    return set(questions.due().order_by().values_list("source__node", flat=True)) - {None}


def ask(node_id: UUID, stopping: threading.Event) -> int:
    """Send a node's worklist its due queries, on one association; return how many."""
    waiting = list(
        questions.due()
        .filter(source__node=node_id)
        .select_related("study__patient", "source__account", "source__node")[:MOST_AT_ONCE]
    )
    if not waiting:
        return 0
    source = waiting[0].source
    try:
        association = open_association(source.node)
    except NotReachedError:
        questions.record_away(source, timedelta(seconds=pause_seconds(source.failures + 1)))
        return 0
    questions.record_reached(source)
    asked = 0
    try:
        for question in waiting:
            if stopping.is_set() or not association.is_established:
                break
            _ask_one(association, question)
            asked += 1
    finally:
        association.release()
    return asked


def open_association(node: Node) -> Association:
    """An association with the worklist of a node. Raises NotReachedError."""
    entity = own_entity()
    entity.add_requested_context(WORKLIST, list(PLAIN_SYNTAXES))
    return associate(node, node.host, entity)


def _ask_one(association: Association, question: OrderQuestion) -> None:
    study = question.study
    pause = timedelta(seconds=pause_seconds(question.failures + 1))
    try:
        items, _all = find(association, study.accession_number)
        orders = modality_worklist.read(items, study.accession_number, study.patient.patient_id)
        _take_in(question, orders)
    except QuestionError as error:
        questions.record_error(question, error.reason, pause)
    except MessageError as error:
        questions.record_unusable(question, error.reason)
    except Exception as error:  # an unexpected response must not stop the others
        # The message is not logged: it may quote the patient.
        logger.error("A worklist's response was not processed: %s", type(error).__name__)
        questions.record_error(question, Reason("worklist_unexpected"), pause)


@transaction.atomic
def _take_in(question: OrderQuestion, orders: list[OrderContent]) -> None:
    """Process the orders as if a message had brought them, and record the result."""
    source = question.source
    events = receiving.follow(source, orders, timezone.now(), question.study)
    if orders:
        questions.record_found(question)
    else:
        questions.record_none(question)
    append_all(events, source.account)


def find(association: Association, accession_number: str) -> tuple[list[Dataset], int]:
    """The items with an accession number, and how many were returned. Raises QuestionError."""
    asked = modality_worklist.query(accession_number)
    try:
        return _matching(association, association.send_c_find(asked, WORKLIST), accession_number)
    except ValueError:  # no presentation context
        raise QuestionError("worklist_not_offered") from None
    except RuntimeError:  # the association has ended
        raise QuestionError("worklist_no_answer") from None
    except QuestionError:
        raise
    except Exception:
        association.abort()  # the next query would receive the rest of this response
        raise


def _matching(
    association: Association,
    responses: Iterable[tuple[Dataset, Dataset | None]],
    accession_number: str,
) -> tuple[list[Dataset], int]:
    found: list[Dataset] = []
    for count, (status, item) in enumerate(responses):
        code = status.get("Status")
        if code == SUCCESS:
            return found, count
        if code is None:
            break
        if code not in PENDING_MATCHES:
            raise QuestionError("worklist_error", status=f"0x{code:04X}")
        if count == MOST_ITEMS:
            association.abort()
            raise QuestionError("worklist_too_many")
        # pynetdicom passes None if it cannot decode the identifier.
        if item is None:
            association.abort()
            raise QuestionError("worklist_unreadable")
        if modality_worklist.has_number(item, accession_number):
            found.append(item)
    raise QuestionError("worklist_no_answer")
