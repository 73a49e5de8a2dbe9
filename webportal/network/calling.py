"""Chestline's application entity, and the associations that it requests from nodes."""

from typing import Any

from django.conf import settings
from pydicom import uid
from pynetdicom import AE
from pynetdicom.association import Association

from webportal.network.models import Node
from webportal.network.sop_classes import PLAIN_SYNTAXES, VERIFICATION

IMPLEMENTATION_UID = uid.UID("2.25.193456070265131786394041312164364512107")
IMPLEMENTATION_NAME = "CHESTLINE"
_CONNECT_SECONDS = 10


class NotReachedError(Exception):
    """No association with a node, or no answer; `code` is one of webportal.network.reasons."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def own_entity() -> AE:
    """Chestline's application entity."""
    entity = AE(ae_title=settings.DICOM_AE_TITLE)
    entity.implementation_class_uid = IMPLEMENTATION_UID
    entity.implementation_version_name = IMPLEMENTATION_NAME
    return entity


def associate(node: Node, host: str, entity: AE, **options: Any) -> Association:
    """Associate with a node; `options` are those of pynetdicom. Raises NotReachedError."""
    if node.port is None:
        raise NotReachedError("node_without_port")
    entity.connection_timeout = _CONNECT_SECONDS
    entity.acse_timeout = entity.dimse_timeout = settings.DICOM_ANSWER_SECONDS
    entity.network_timeout = settings.DICOM_IDLE_SECONDS
    entity.maximum_pdu_size = settings.DICOM_PDU_BYTES
    # Where a node accepts nothing else, this keeps the association, so that the reason is known.
    entity.add_requested_context(VERIFICATION, list(PLAIN_SYNTAXES))
    association = entity.associate(host, node.port, ae_title=node.ae_title, **options)
    if association.is_established:
        return association
    raise NotReachedError("node_rejects" if association.is_rejected else "node_away")
