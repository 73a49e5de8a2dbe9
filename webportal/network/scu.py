"""Chestline as SCU: its application entity, and the associations that it requests from nodes."""

import socket
import ssl
from typing import Any

from django.conf import settings
from pynetdicom import AE
from pynetdicom.association import Association

from webportal.intake.checks.wrapping import IMPLEMENTATION_UID
from webportal.network.models import Node
from webportal.network.sop_classes import PLAIN_SYNTAXES, VERIFICATION
from webportal.tls import client_context

IMPLEMENTATION_NAME = "CHESTLINE"
_CONNECT_SECONDS = 10
# How long to wait for a TLS alert after the handshake.
_ALERT_SECONDS = 1


class NotReachedError(Exception):
    """No association with a node, or no response; `code` is one of webportal.network.reasons."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def own_entity() -> AE:
    """Chestline's application entity."""
    entity = AE(ae_title=settings.DICOM_AE_TITLE)
    entity.implementation_class_uid = IMPLEMENTATION_UID
    entity.implementation_version_name = IMPLEMENTATION_NAME
    return entity


def tls_to(node: Node, host: str) -> tuple[ssl.SSLContext, str] | None:
    """The TLS context for an association, and the name that the node's certificate must have.

    None if the node is called without TLS. Raises NotReachedError if our certificate or key cannot
    be read.
    """
    if not node.uses_tls:
        return None
    try:
        return client_context(), node.certificate_name or host
    except OSError:
        raise NotReachedError("own_certificate_unreadable") from None


def refused_tls(node: Node, host: str) -> str:
    """Why the TLS handshake with a node fails: a code of `reasons`; '' if it succeeds.

    pynetdicom does not report it. With TLS 1.3, a node that rejects our certificate sends its
    alert only after the handshake, so we wait for one.
    """
    tls = tls_to(node, host)
    if tls is None or node.port is None:
        return ""
    context, name = tls
    try:
        connection = socket.create_connection((host, node.port), timeout=_CONNECT_SECONDS)
    except OSError:
        return ""
    try:
        wrapped = context.wrap_socket(connection, server_hostname=name)
    except ssl.SSLCertVerificationError:
        return "node_not_trusted"
    except OSError:
        return "node_refuses_tls"
    finally:
        connection.close()
    with wrapped:
        wrapped.settimeout(_ALERT_SECONDS)
        try:
            wrapped.recv(1)
        except TimeoutError:
            return ""
        except OSError:
            return "node_refuses_tls"
    return ""


def associate(node: Node, host: str, entity: AE, **options: Any) -> Association:
    """Associate with a node; `options` are those of pynetdicom. Raises NotReachedError."""
    if node.port is None:
        raise NotReachedError("node_without_port")
    entity.connection_timeout = _CONNECT_SECONDS
    entity.acse_timeout = entity.dimse_timeout = settings.DICOM_ANSWER_SECONDS
    entity.network_timeout = settings.DICOM_IDLE_SECONDS
    entity.maximum_pdu_size = settings.DICOM_PDU_BYTES
    # With this context, a node that accepts no other keeps the association: the caller sees why.
    entity.add_requested_context(VERIFICATION, list(PLAIN_SYNTAXES))
    tls = tls_to(node, host)
    association = entity.associate(host, node.port, ae_title=node.ae_title, tls_args=tls, **options)
    if association.is_established:
        return association
    if association.is_rejected:
        raise NotReachedError("node_rejects")
    raise NotReachedError(refused_tls(node, host) or "node_away")
