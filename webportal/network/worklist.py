"""Asking worklists for orders: C-FIND of the Modality Worklist, one association at a time.

`webportal.orders.questions` says what is to be asked, and keeps the answers.
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
from webportal.network.calling import NotReachedError, associate, own_entity
from webportal.network.models import Node
from webportal.network.sop_classes import PLAIN_SYNTAXES, WORKLIST
from webportal.orders import modality_worklist, questions, receiving
from webportal.orders.hl7 import MessageError
from webportal.orders.models import OrderQuestion
from webportal.orders.reading import OrderContent
from webportal.reasons import Reason

logger = logging.getLogger(__name__)

#: A server that ignores the key returns its whole worklist; more of it is not looked through.
MOST_ITEMS = 2000
#: What is asked on one association, before the process looks for what is more urgent.
MOST_AT_ONCE = 50
#: The number of the test, which no order has, so that the test shows nobody's.
NOBODY = "CHESTLINE-TEST"
_SUCCESS = 0x0000
_PENDING = (0xFF00, 0xFF01)


class QuestionError(Exception):
    """A question was not answered as it should be; `reason` says why."""

    def __init__(self, code: str, **params: object) -> None:
        super().__init__(code)
        self.reason = Reason(code, params)


def nodes_to_ask() -> set[UUID]:
    """The nodes whose worklist is to be asked something now."""
    return set(questions.due().order_by().values_list("source__node", flat=True)) - {None}


def ask(node_id: UUID, stopping: threading.Event) -> int:
    """Ask a node's worklist what is due, on one association; return how many questions."""
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
    """An association for the worklist of a node. Raises NotReachedError."""
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
    except Exception as error:  # one answer that nobody expected must not stop the others
        # Not its message, which may quote the patient.
        logger.error("An answer of a worklist was not processed: %s", type(error).__name__)
        questions.record_error(question, Reason("worklist_unexpected"), pause)


@transaction.atomic
def _take_in(question: OrderQuestion, orders: list[OrderContent]) -> None:
    """Follow the orders as those of a message, and note the answer."""
    source = question.source
    events = receiving.follow(source, orders, timezone.now(), question.study)
    if orders:
        questions.record_found(question)
    else:
        questions.record_none(question)
    append_all(events, source.account)


def find(association: Association, accession_number: str) -> tuple[list[Dataset], int]:
    """The items with an accession number, and how many came. Raises QuestionError."""
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
        association.abort()  # the next question would get the rest of this answer
        raise


def _matching(
    association: Association,
    responses: Iterable[tuple[Dataset, Dataset | None]],
    accession_number: str,
) -> tuple[list[Dataset], int]:
    found: list[Dataset] = []
    for count, (status, item) in enumerate(responses):
        code = status.get("Status")
        if code == _SUCCESS:
            return found, count
        if code is None:
            break
        if code not in _PENDING:
            raise QuestionError("worklist_error", status=f"0x{code:04X}")
        if count == MOST_ITEMS:
            association.abort()
            raise QuestionError("worklist_too_many")
        # pynetdicom gives none where it cannot decode it.
        if item is None:
            association.abort()
            raise QuestionError("worklist_unreadable")
        if modality_worklist.has_number(item, accession_number):
            found.append(item)
    raise QuestionError("worklist_no_answer")
