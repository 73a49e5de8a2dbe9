"""Inbox files without a database row: received after the backup that was restored.

They contain the whole instance but not its sender, so someone has to name the node. A receiver that
is killed can leave such a file, too, before confirming it to the sender.
"""

import hashlib
import logging
import re
from collections.abc import Iterator
from pathlib import Path

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from webportal.accounts.models import User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append_all
from webportal.network import inbox
from webportal.network.models import InboxState, Node, ReceivedInstance

logger = logging.getLogger(__name__)

_NAME = re.compile(r"[0-9a-f]{64}\.dcm")
_ASKED_AT_ONCE = 1000


def record() -> int:
    """Record inbox files without a row; return their number. Call only while nothing arrives."""
    rows = [_row(path) for path in _without_a_row()]
    ReceivedInstance.objects.bulk_create(rows)
    if rows:
        logger.warning("%d files in the inbox had no record; see DICOM, Inbox", len(rows))
    return len(rows)


def _without_a_row() -> Iterator[Path]:
    paths = sorted(each for each in inbox.folder().iterdir() if _NAME.fullmatch(each.name))
    for begin in range(0, len(paths), _ASKED_AT_ONCE):
        some = paths[begin : begin + _ASKED_AT_ONCE]
        rows = ReceivedInstance.objects.filter(sha256__in=[path.stem for path in some])
        known = set(rows.values_list("sha256", flat=True))
        yield from (path for path in some if path.stem not in known)


def _row(path: Path) -> ReceivedInstance:
    """Describe a file. One that is damaged or not DICOM has no UIDs, and is refused later."""
    data = path.read_bytes()
    now = timezone.now()
    row = ReceivedInstance(
        sha256=path.stem,
        size=len(data),
        state=InboxState.FOUND,
        first_received_at=now,
        received_at=now,
    )
    if hashlib.sha256(data).hexdigest() != row.sha256:
        return row
    try:
        header = inbox.header_of(data)
        row.study_instance_uid = inbox.study_of(header)
        row.sop_instance_uid = str(header.file_meta.MediaStorageSOPInstanceUID)
        row.sop_class_uid = str(header.file_meta.MediaStorageSOPClassUID)
        row.transfer_syntax_uid = str(header.file_meta.TransferSyntaxUID)
    except Exception as error:  # pydicom raises arbitrary exceptions on broken data sets
        logger.warning("A file in the inbox cannot be read: %s", type(error).__name__)
    return row


@transaction.atomic
def adopt(rows: QuerySet[ReceivedInstance], node: Node, by: User) -> int:
    """Attribute the found files among the rows to a node, for intake; return their number."""
    found = list(rows.filter(state=InboxState.FOUND).order_by("pk").select_for_update(of=("self",)))
    for row in found:
        row.node, row.state = node, inbox.first_state(row.sop_class_uid)
    ReceivedInstance.objects.bulk_update(found, ["node", "state"])
    append_all(
        (
            Event(
                Action.RECEIVED_ADOPTED,
                "received_instance",
                row.pk,
                detail={"node": node.ae_title, "sha256": row.sha256},
            )
            for row in found
        ),
        by,
    )
    return len(found)
