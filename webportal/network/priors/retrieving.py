"""Retrieving series from a node, by C-GET, or by C-MOVE to the receiver (PS3.4 C.4.2, C.4.3)."""

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.db import Error
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.dimse_messages import C_STORE_RQ, C_STORE_RSP
from pynetdicom.events import Event
from pynetdicom.presentation import build_role

from webportal.dicom_status import NOT_MATCHING, OUT_OF_RESOURCES, PENDING, SUCCESS
from webportal.network import scu
from webportal.network.c_store import arrival_of
from webportal.network.inbox import receive
from webportal.network.limits import Unanswered, size_of
from webportal.network.models import Node, PriorProtocol, PriorSource, PriorState, PriorStudy
from webportal.network.priors.arrivals import (
    LONGEST_RETRIEVE,
    MOST_IMAGES,
    is_of_our_patient,
    wanted,
)
from webportal.network.scu import NotReachedError
from webportal.network.sop_classes import (
    FIND,
    GET,
    IMAGE_SYNTAXES,
    IMAGES,
    MOVE,
    PLAIN_SYNTAXES,
)

logger = logging.getLogger(__name__)

_SUBOPERATIONS = [
    f"NumberOf{each}Suboperations" for each in ("Completed", "Warning", "Failed", "Remaining")
]


class SourceAssociation:
    """An association with a source, for queries, and for the images that C-GET returns.

    Use it as a context manager. A retrieval ends early once `stopping` is set. Raises
    NotReachedError.
    """

    def __init__(self, source: PriorSource, stopping: threading.Event) -> None:
        self._stopping = stopping
        self._ends_at, self._images = 0.0, 0
        self._unanswered, self._is_too_long = Unanswered(), False
        self.source = source
        self.node: Node = source.node
        by_get = source.protocol == PriorProtocol.GET
        entity = scu.own_entity()
        entity.add_requested_context(FIND, list(PLAIN_SYNTAXES))
        entity.add_requested_context(GET if by_get else MOVE, list(PLAIN_SYNTAXES))
        options: dict[str, Any] = {}
        if by_get:
            _propose_images(entity)
            options["ext_neg"] = [build_role(each, scp_role=True) for each in IMAGES]
            options["evt_handlers"] = [
                (evt.EVT_C_STORE, self._store),
                (evt.EVT_PDU_RECV, self._count_bytes),
                (evt.EVT_DIMSE_RECV, self._count_message),
                (evt.EVT_DIMSE_SENT, self._count_answer),
            ]
        self.association: Association = scu.associate(self.node, self.node.host, entity, **options)

    def __enter__(self) -> "SourceAssociation":
        return self

    def __exit__(self, *exception: object) -> None:
        if self.association.is_established:
            self.association.release()

    def retrieve(self, prior: PriorStudy, series: Sequence[str]) -> int:
        """Retrieve series of a study into the inbox; return the number of images received.

        Stops when an image shows that the study is somebody else's; `prior` is then refused. Raises
        NotReachedError unless everything has arrived within `LONGEST_RETRIEVE`.
        """
        self._ends_at, self._images = time.monotonic() + LONGEST_RETRIEVE.total_seconds(), 0
        images = 0
        for each in series:
            asked = Dataset()
            asked.QueryRetrieveLevel = "SERIES"
            asked.StudyInstanceUID = prior.study_instance_uid
            asked.SeriesInstanceUID = each
            final = self._send(asked)
            prior.refresh_from_db()
            if prior.state == PriorState.REFUSED:
                return images
            failed = int(final.get("NumberOfFailedSuboperations", 0) or 0)
            if final.Status != SUCCESS or failed:
                raise NotReachedError("retrieve_failed")
            images += int(final.get("NumberOfCompletedSuboperations", 0) or 0)
        if not images:
            raise NotReachedError("retrieve_failed")
        return images

    def _send(self, asked: Dataset) -> Dataset:
        """Send the request, and return the final response."""
        try:
            if self.source.protocol == PriorProtocol.GET:
                responses = self.association.send_c_get(asked, GET)
            else:
                title = settings.DICOM_AE_TITLE
                responses = self.association.send_c_move(asked, title, MOVE)
            final = Dataset()
            for final, _identifier in responses:
                if final.get("Status") != PENDING:
                    break
                if self.source.protocol == PriorProtocol.MOVE:
                    self._images = sum(int(final.get(each, 0) or 0) for each in _SUBOPERATIONS)
                if self._is_too_much():
                    self.association.abort()
                    raise NotReachedError("retrieve_failed")
        except ValueError:  # no presentation context
            raise NotReachedError("retrieve_not_offered") from None
        except RuntimeError:  # the association has ended
            raise NotReachedError("node_silent") from None
        if "Status" not in final:
            raise NotReachedError("retrieve_failed" if self._is_too_much() else "node_silent")
        return final

    def _is_too_much(self) -> bool:
        """Whether to end a retrieval: a node may send images or pending responses for ever."""
        is_late = time.monotonic() > self._ends_at
        is_much = self._is_too_long or self._images > MOST_IMAGES
        return is_late or is_much or self._stopping.is_set()

    def _count_bytes(self, event: Event) -> None:
        """End a retrieval before more bytes are in memory than an instance may have."""
        if not self._is_too_long and not self._unanswered.add(size_of(event)):
            logger.warning("A retrieval is ended: a data set is longer than UPLOAD_MAX_BYTES")
            self._is_too_long = True
            self._end()

    def _count_message(self, event: Event) -> None:
        message: Any = event.message
        is_request = isinstance(message, C_STORE_RQ)
        (self._unanswered.request if is_request else self._unanswered.response)()

    def _count_answer(self, event: Event) -> None:
        message: Any = event.message
        if isinstance(message, C_STORE_RSP):
            self._unanswered.answer()

    def _end(self) -> None:
        """End the association as if its peer had closed it.

        A node that keeps sending without responding would keep `_send` from noticing, and an abort
        inside a handler would leave `_send` waiting.
        """
        self.association.dimse.msg_queue.put((None, None))

    def _store(self, event: Event) -> int:
        """Keep an instance that C-GET returns, if it is of the requested study and patient."""
        self._images += 1
        if self._is_too_much():
            self._end()
            return OUT_OF_RESOURCES
        arrival = arrival_of(event, self.node, self.node.host)
        prior = wanted(self.node, arrival.study_instance_uid) if arrival is not None else None
        if arrival is None or prior is None or not is_of_our_patient(prior, arrival.data):
            return NOT_MATCHING
        try:
            receive(replace(arrival, is_prior=True))
        except (OSError, Error) as error:
            logger.error("A retrieved instance cannot be kept: %s", type(error).__name__)
            return OUT_OF_RESOURCES
        return SUCCESS


def _propose_images(entity: AE) -> None:
    """Propose each compressed transfer syntax in its own context, so that none is converted."""
    compressed = [each for each in IMAGE_SYNTAXES if each not in PLAIN_SYNTAXES]
    for sop_class in IMAGES:
        entity.add_requested_context(sop_class, list(PLAIN_SYNTAXES))
        for syntax in compressed:
            entity.add_requested_context(sop_class, [syntax])
