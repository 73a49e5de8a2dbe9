"""The receiver: verification, storage and storage commitment SCP for known nodes.

It decodes nothing: an instance is written as it was encoded, and acknowledged once it is durably
in the inbox. It holds at most one data set per association in memory; webportal.network.limits
limits what a peer may use.
"""

import logging
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import replace
from socketserver import BaseServer
from typing import Any

from django.conf import settings
from django.db import DataError, Error, close_old_connections, connection
from pynetdicom import evt
from pynetdicom.events import Event
from pynetdicom.transport import ThreadedAssociationServer

from webportal.dicom_status import (
    CANNOT_UNDERSTAND,
    NOT_AUTHORIZED,
    NOT_MATCHING,
    OUT_OF_RESOURCES,
    PROCESSING_FAILURE,
    SUCCESS,
)
from webportal.network import callers, commitment, commitment_scu, inbox
from webportal.network.c_store import arrival_of
from webportal.network.limits import (
    MOST_CONNECTIONS,
    Associations,
    Connections,
    GuardedSocket,
    GuardedTLSSocket,
    Unanswered,
    size_of,
)
from webportal.network.models import Node
from webportal.network.priors.arrivals import (
    NotWantedError,
    exceeds_most_images,
    is_of_our_patient,
    prior_being_moved,
)
from webportal.network.scu import own_entity
from webportal.network.sop_classes import COMMITMENT, offered
from webportal.tls import server_context

logger = logging.getLogger(__name__)

# PS3.8 9.3.4: rejected-permanent, source service-user, with this reason.
_PERMANENT, _BY_USER = 0x01, 0x01
CALLING_NOT_RECOGNISED, CALLED_NOT_RECOGNISED = 0x03, 0x07
# Rejected-transient, source service-provider (presentation): local limit exceeded.
_TRANSIENT, _BY_PROVIDER, LOCAL_LIMIT = 0x02, 0x03, 0x02

# So many callers are looked up at a time: a burst of strangers would otherwise take every
# database connection.
_LOOK_UPS = threading.BoundedSemaphore(5)

# PS3.8 9.2: connection closed (Evt17) while awaiting the association request (Sta2).
_CLOSED_UNASKED = ("Sta2", "Evt17")


class AssociationServer(ThreadedAssociationServer):
    """The listening socket; each connection is served by a thread."""

    # With pynetdicom's backlog of 5, each further simultaneous connection retries after a second.
    request_queue_size = 128

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.connections = Connections()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection; the TLS handshake is left to its thread.

        pynetdicom would do the handshake here, where a silent client would block all others.
        """
        assert self.socket is not None
        accepted, address = self.socket.accept()
        client: Any = GuardedSocket(fileno=accepted.detach())
        if self.ssl_context is not None:
            client = self.ssl_context.wrap_socket(
                client, server_side=True, do_handshake_on_connect=False
            )
        client.begin()
        return client, address

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether a connection gets a thread; otherwise it is closed."""
        if self.connections.admit(request, client_address[0]):
            return True
        logger.warning("A connection from %s is closed: too many are open", client_address[0])
        return False

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection, after the TLS handshake if it is encrypted."""
        if isinstance(request, ssl.SSLSocket):
            request.settimeout(settings.DICOM_ANSWER_SECONDS)
            try:
                request.do_handshake()
            except OSError as error:
                logger.warning("A TLS handshake failed: %s", type(error).__name__)
                self.shutdown_request(request)
                return
        super().process_request_thread(request, client_address)

    def start(self) -> None:
        """Serve in a new thread."""
        threading.Thread(target=self.serve_forever, name="DICOM server", daemon=True).start()

    def stop(self) -> None:
        """Stop listening; open connections end with the process."""
        BaseServer.shutdown(self)
        self.server_close()


def listen(address: str, port: int) -> AssociationServer:
    """Start listening, and return the server; connections wait until it starts. Raises OSError."""
    entity = own_entity()
    # Counts connections before their association request; accepted ones are counted below.
    entity.maximum_associations = MOST_CONNECTIONS
    entity.maximum_pdu_size = settings.DICOM_PDU_BYTES
    entity.network_timeout = settings.DICOM_IDLE_SECONDS
    entity.dimse_timeout = entity.acse_timeout = settings.DICOM_ANSWER_SECONDS
    for sop_class, syntaxes in offered():
        # For storage commitment, a device is the SCU; a PACS that reports to us is the SCP.
        roles: dict[str, Any] = {"scu_role": True, "scp_role": True}
        of_both = roles if sop_class == COMMITMENT else {}
        entity.add_supported_context(sop_class, list(syntaxes), **of_both)
    handlers: list[Any] = [
        (evt.EVT_CONN_OPEN, _close_database_at_end),
        (evt.EVT_REQUESTED, _with_database(_admit), [Associations()]),
        (evt.EVT_C_STORE, _with_database(_store)),
        (evt.EVT_N_ACTION, _with_database(_commit)),
        (evt.EVT_N_EVENT_REPORT, commitment_scu.take_report),
        (evt.EVT_PDU_RECV, _limit_unanswered),
        (evt.EVT_DIMSE_RECV, _count_request),
        (evt.EVT_DIMSE_SENT, _count_answer),
        (evt.EVT_FSM_TRANSITION, _end_unrequested),
    ]
    server = entity.make_server(
        (address, port), evt_handlers=handlers, ssl_context=_tls(), server_class=AssociationServer
    )
    assert isinstance(server, AssociationServer)
    return server


def _tls() -> ssl.SSLContext | None:
    context = server_context(
        "DICOM",
        settings.DICOM_TLS_CERTIFICATE,
        settings.DICOM_TLS_KEY,
        settings.DICOM_TLS_CLIENT_CA,
    )
    if context is not None:
        context.sslsocket_class = GuardedTLSSocket
    return context


def _close_database_at_end(event: Event) -> None:
    """Close the database connection of an association's thread, which nothing else would close."""
    association: Any = event.assoc
    serve = association.run

    def serve_and_close() -> None:
        try:
            serve()
        finally:
            connection.close()
            del association.run  # a cycle, which would wait for the garbage collector

    association.run = serve_and_close


def _with_database(handle: Callable[..., Any]) -> Callable[..., Any]:
    """Give the handler its association's database connection, or a new one if that is broken.

    A new connection for each instance would cost more than the rest of its record.
    """

    def handled(event: Event, *arguments: Any) -> Any:
        close_old_connections()
        return handle(event, *arguments)

    return handled


def _admit(event: Event, associations: Associations) -> None:
    """Reject an association unless a known node requests it; see webportal.network.callers.

    Other callers have no node: they are admitted only to report on storage commitment.
    """
    association: Any = event.assoc
    with _LOOK_UPS:
        refusal = _refusal(association, associations)
        if refusal is not None:
            connection.close()
    # Outside the lock: this waits for the peer.
    if refusal is not None:
        _reject(association, *refusal)


def _refusal(association: Any, associations: Associations) -> tuple[int, int, int] | None:
    """Result, source and reason of the rejection of an association; None if it is admitted."""
    request = association.requestor.primitive
    calling, called = request.calling_ae_title.strip(), request.called_ae_title.strip()
    address = association.requestor.address
    try:
        found = callers.known_caller(calling, address)
        node = found if isinstance(found, Node) else None
        if isinstance(found, str) and not commitment_scu.may_report(calling, address):
            reason, why = CALLING_NOT_RECOGNISED, found
        elif called != settings.DICOM_AE_TITLE:
            reason, why = CALLED_NOT_RECOGNISED, callers.CALLED
        else:
            association.chestline_node = node
            association.chestline_unanswered = Unanswered()
            if associations.admit(association, calling):
                return None
            logger.warning("An association of %s is rejected: too many are open", address)
            return _TRANSIENT, _BY_PROVIDER, LOCAL_LIMIT
        callers.record_rejected(calling, called, address, why)
    except Error as error:
        logger.error("An association is rejected: %s", type(error).__name__)
        return _TRANSIENT, _BY_PROVIDER, LOCAL_LIMIT
    logger.warning("An association from %s is rejected: %s", address, why)
    return _PERMANENT, _BY_USER, reason


def _end_unrequested(event: Event) -> None:
    """End the thread of a connection that closed before its association request.

    pynetdicom would wait for the request until its timeout.
    """
    if (event.current_state, event.fsm_event) == _CLOSED_UNASKED:
        queue: Any = event.assoc.dul.to_user_queue
        queue.put(None)


def _limit_unanswered(event: Event) -> None:
    """Abort an association that sends more than one instance's bytes before it is answered."""
    association: Any = event.assoc
    unanswered = getattr(association, "chestline_unanswered", None)
    if unanswered is None or unanswered.add(size_of(event)):
        return
    association.chestline_unanswered = None
    address = association.requestor.address
    logger.warning("An association from %s is aborted: more than UPLOAD_MAX_BYTES", address)
    # Not awaited in the handler: pynetdicom sends the abort before it reads on.
    association.abort()
    _record_too_large(association)


def _record_too_large(association: Any) -> None:
    request = association.requestor.primitive
    calling, called = request.calling_ae_title.strip(), request.called_ae_title.strip()
    try:
        callers.record_rejected(calling, called, association.requestor.address, callers.TOO_LARGE)
    except Error as error:
        logger.error("An aborted association is not recorded: %s", type(error).__name__)
    finally:
        connection.close()


def _count_request(event: Event) -> None:
    association: Any = event.assoc
    if association.chestline_unanswered is not None:
        association.chestline_unanswered.request()


def _count_answer(event: Event) -> None:
    association: Any = event.assoc
    if association.chestline_unanswered is not None:
        association.chestline_unanswered.answer()


def _reject(association: Any, result: int, source: int, reason: int) -> None:
    association.acse.send_reject(result, source, reason)
    association.kill()


def _store(event: Event) -> int:
    """Keep an instance; returns the C-STORE status."""
    association: Any = event.assoc
    request: Any = event.request
    node = association.chestline_node
    if node is None:
        return NOT_AUTHORIZED
    arrival = arrival_of(event, node, association.requestor.address)
    if arrival is None:
        return CANNOT_UNDERSTAND
    originator = request.MoveOriginatorApplicationEntityTitle
    try:
        prior = prior_being_moved(node, arrival.study_instance_uid, originator)
        if prior is not None and not is_of_our_patient(prior, arrival.data):
            return NOT_MATCHING
        if prior is not None and exceeds_most_images(prior, arrival.sop_instance_uid):
            return OUT_OF_RESOURCES
        inbox.receive(replace(arrival, is_prior=prior is not None))
    except NotWantedError:
        return NOT_MATCHING
    except OSError as error:
        logger.error("An instance cannot be kept: %s", type(error).__name__)
        return OUT_OF_RESOURCES
    except DataError:
        # A NUL, which PostgreSQL stores in no text; sent again, it would be the same.
        logger.error("An instance is refused: its SOP Instance UID cannot be recorded")
        return CANNOT_UNDERSTAND
    except Error as error:
        logger.error("An instance cannot be recorded: %s", type(error).__name__)
        return PROCESSING_FAILURE
    return SUCCESS


def _commit(event: Event) -> tuple[int, None]:
    """Record a request for storage commitment; returns the N-ACTION status."""
    association: Any = event.assoc
    node, address = association.chestline_node, association.requestor.address
    if node is None:
        return NOT_AUTHORIZED, None
    try:
        return commitment.request(node, address, event), None
    except Error as error:
        logger.error("A storage commitment cannot be recorded: %s", type(error).__name__)
        return PROCESSING_FAILURE, None
