"""Make nodes and received instances in the database."""

import hashlib
from typing import Any

from django.utils import timezone
from pydicom import uid

from webportal.accounts.models import Role, User
from webportal.network import inbox
from webportal.network.models import InboxState, Node, ReceivedInstance
from webportal.network.nodes import create_node


def make_node(ae_title: str = "CR1", by: User | None = None, **fields: Any) -> Node:
    """A node that calls from this machine.

    Without ``by``, somebody adds it of whose account the trail knows nothing.
    """
    it = by or User.objects.filter(username="network-it").first()
    by = it or User.objects.create_user("network-it", None, [Role.IT])
    defaults: dict[str, Any] = {"description": "Room 1", "addresses": ["127.0.0.1"], "port": None}
    return create_node(ae_title, **defaults | fields, by=by)


def make_received(
    node: Node | None, state: str = InboxState.REFUSED, **fields: Any
) -> ReceivedInstance:
    """An instance in the inbox, whose file is there."""
    now = timezone.now()
    sop_instance_uid = uid.generate_uid()
    defaults: dict[str, Any] = {
        "node": node,
        "address": "127.0.0.1" if node else None,
        "study_instance_uid": uid.generate_uid(),
        "sop_instance_uid": sop_instance_uid,
        "sop_class_uid": uid.ComputedRadiographyImageStorage,
        "transfer_syntax_uid": uid.ExplicitVRLittleEndian,
        "sha256": hashlib.sha256(sop_instance_uid.encode()).hexdigest(),
        "size": 1000,
        "state": state,
        "first_received_at": now,
        "received_at": now,
    }
    if state == InboxState.REFUSED:
        defaults["reason_code"] = "wrong_modality"
        defaults["reason_params"] = {"modality": "MR"}
    row = ReceivedInstance.objects.create(**defaults | fields)
    (inbox.folder() / row.file_name).write_bytes(b"DICM")
    return row
