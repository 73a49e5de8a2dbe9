"""Make nodes and received instances in the database."""

import hashlib
from typing import Any

from django.utils import timezone
from pydicom import uid

from webportal.accounts.models import Role, User
from webportal.network import inbox
from webportal.network.models import (
    Commitment,
    InboxState,
    Node,
    PriorRequest,
    PriorState,
    PriorStudy,
    ReceivedInstance,
)
from webportal.network.nodes import create_node
from webportal.records.models import Study


def make_node(ae_title: str = "CR1", by: User | None = None, **fields: Any) -> Node:
    """A node that calls from this machine.

    Without ``by``, it is added by a user whose creation was not audited.
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


def make_commitment(node: Node, **fields: Any) -> Commitment:
    """A request for storage commitment of one image that nobody has sent."""
    now = timezone.now()
    defaults: dict[str, Any] = {
        "node": node,
        "address": "127.0.0.1",
        "transaction_uid": uid.generate_uid(),
        "instances": [[uid.ComputedRadiographyImageStorage, uid.generate_uid()]],
        "requested_at": now,
        "next_attempt_at": now,
    }
    return Commitment.objects.create(**defaults | fields)


def make_prior_request(
    node: Node, study: Study, *priors: PriorState, **fields: Any
) -> PriorRequest:
    """A request for earlier studies, with one PriorStudy per state."""
    now = timezone.now()
    defaults: dict[str, Any] = {"node": node, "study": study, "requested_at": now}
    request = PriorRequest.objects.create(**defaults | {"next_attempt_at": now} | fields)
    for number, state in enumerate(priors):
        why: dict[str, Any] = {}
        if state == PriorState.REFUSED:
            differing = {"differences": ["birth_date"]}
            why = {"reason_code": "prior_differs", "reason_params": differing}
        PriorStudy.objects.create(
            request=request,
            study_instance_uid=uid.generate_uid(),
            performed_on=f"2023-0{number + 1}-01",
            state=state,
            **why,
        )
    return request
