"""A mark in the storage of how far the database was, by which an older database is known.

Files that came after a backup of the database are in no record once it is restored, and are the
only copies. The mark names the last entry of the audit trail: a database that does not have that
entry is an older one, or another. The trail grows with every file that is stored, and two trails
that parted never have the same entry.
"""

import json

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from webportal.audit.models import AuditEntry, ChainHead
from webportal.storage import is_storage_away

KEY = "database.json"


def write() -> None:
    """Mark how far the database is.

    An empty storage gets no mark: its volume may not be mounted, and must go on looking empty.
    """
    head = ChainHead.objects.get(pk=1)
    if head.sequence == 0 or is_storage_away():
        return
    if _read() != (head.sequence, head.mac):
        mark = json.dumps({"sequence": head.sequence, "mac": head.mac})
        default_storage.save(KEY, ContentFile(mark.encode()))


def is_contradicted() -> bool:
    """Whether the database lacks what it had when the storage was marked."""
    mark = _read()
    if mark is None:
        return False
    sequence, mac = mark
    return not AuditEntry.objects.filter(sequence=sequence, mac=mac).exists()


def _read() -> tuple[int, str] | None:
    """The mark, None where there is none; one that cannot be read is that of no database."""
    try:
        with default_storage.open(KEY) as file:
            mark = json.loads(file.read())
        return int(mark["sequence"]), str(mark["mac"])
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError):
        return 0, ""
