"""Several files in one request."""

import io
from collections.abc import Iterable, Mapping
from typing import Any

from tests import dicom_files as files
from webportal.accounts.models import User
from webportal.intake import pipeline
from webportal.intake.models import UploadBatch, UploadItem

Files = Mapping[str, bytes]


def receive(batch: UploadBatch, by: User, named: Files) -> dict[str, str]:
    """The verdict on each file, with the reason if there is one."""
    items = pipeline.receive_files(batch, [(n, io.BytesIO(d)) for n, d in named.items()], by)
    assert [item.file_name for item in items] == list(named)
    return {
        item.file_name: f"{item.verdict} {item.reason_code}".strip()
        for item in UploadItem.objects.filter(batch=batch)
        if item.pk in {each.pk for each in items}
    }


def pngs(numbers: Iterable[int]) -> dict[str, bytes]:
    return {f"{n}.png": files.png(files.phantom(seed=n)) for n in numbers}


def dicom(seed: int, **elements: Any) -> bytes:
    return files.dicom(files.phantom(seed=seed), **elements)
