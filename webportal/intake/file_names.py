"""Original file names of studies, which distinguish temporary identities."""

import uuid
from collections import defaultdict
from collections.abc import Collection

from webportal.intake.models import UploadItem


def file_names(studies: Collection[uuid.UUID]) -> dict[uuid.UUID, list[str]]:
    """The names of the files that each study came from, in order of arrival."""
    names: dict[uuid.UUID, list[str]] = defaultdict(list)
    items = UploadItem.objects.filter(radiograph__study__in=studies).order_by("pk")
    for study, name in items.values_list("radiograph__study", "file_name"):
        if study is not None and name not in names[study]:
            names[study].append(name)
    return dict(names)
