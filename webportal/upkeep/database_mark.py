"""A mark in the storage of the database's last state, which reveals an older database.

After a restore, files stored since the backup are in no record, and are the
only copies. The mark names the last entry of the audit trail: a database that does not contain that
entry is older, or a different one. The trail grows with every file that is stored, and two trails
that have diverged never contain the same entry.
"""

import json

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from webportal.audit.models import AuditEntry, ChainHead
from webportal.storage import is_storage_away

KEY = "database.json"


def write() -> None:
    """Record the present state of the database in the storage.

    An empty storage gets no mark: its volume may be unmounted, and must keep looking empty.
    """
    head = ChainHead.objects.get(pk=1)
    if head.sequence == 0 or is_storage_away():
        return
    if _read() != (head.sequence, head.mac):
        mark = json.dumps({"sequence": head.sequence, "mac": head.mac})
        default_storage.save(KEY, ContentFile(mark.encode()))


def is_contradicted() -> bool:
    """Whether the database lacks the entry named by the mark."""
    mark = _read()
    if mark is None:
        return False
    sequence, mac = mark
    return not AuditEntry.objects.filter(sequence=sequence, mac=mac).exists()


def _read() -> tuple[int, str] | None:
    """The mark, None if there is none; an unreadable one matches no database."""
    try:
        with default_storage.open(KEY) as file:
            mark = json.loads(file.read())
        return int(mark["sequence"]), str(mark["mac"])
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError):
        return 0, ""
