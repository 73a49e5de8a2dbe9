"""Whether the storage is the one whose files are on record.

Where a volume is not mounted, the folder beneath it can be written to like any other. What is
stored there is lost from sight as soon as the volume is back.
"""

from webportal.records.models import Radiograph
from webportal.storage import is_storage_away, storage_folder


def is_our_storage() -> bool:
    """Whether anything is in the storage, where images are on record.

    A bucket is not checked: it is never mistaken for what lies beneath it, and looking takes long.
    """
    if storage_folder() is None or not is_storage_away():
        return True
    # The first image may be stored and recorded between the look and the question.
    return not Radiograph.objects.exists() or not is_storage_away()
