"""Fixtures of the intake's tests."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from pytest_django.fixtures import Settings

from webportal.accounts.models import User
from webportal.inference.models import Job
from webportal.intake import pipeline
from webportal.intake.batches import services
from webportal.intake.models import UploadBatch, UploadItem
from webportal.records.models import Patient, Radiograph, Study
from webportal.storage import storage_from_url

Send = Callable[..., UploadItem]


@pytest.fixture(autouse=True)
def storage_folder(settings: Settings, tmp_path: Path) -> Path:
    """A storage of the test's own; the files in it are what the test stored."""
    folder = tmp_path / "storage"
    settings.STORAGES = settings.STORAGES | {"default": storage_from_url(f"file://{folder}")}
    settings.UPLOAD_MIN_FREE_BYTES = 0
    return folder


@pytest.fixture
def batch(uploader: User) -> UploadBatch:
    """A batch that makes a temporary patient for each file without one."""
    return services.create_batch(uploader)


@pytest.fixture
def send(uploader: User, batch: UploadBatch) -> Send:
    """Send one file and return its item; into `batch` unless another is given."""

    def sent(data: bytes, file_name: str = "image", to: UploadBatch | None = None) -> UploadItem:
        (item,) = pipeline.receive_file(to or batch, file_name, io.BytesIO(data), uploader)
        return item

    return sent


def stored(key: str) -> bytes:
    """What the storage holds under a key."""
    with default_storage.open(key) as file:
        return bytes(file.read())


def stored_files(folder: Path) -> list[str]:
    """Every file under a folder, temporary ones too, by its path there.

    Without what is handed to workers, which belongs to no record.
    """
    found = (str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in found if not path.startswith("inputs/"))


def zip_of(**members: Any) -> bytes:
    """A ZIP of files by their names; `__` stands for a dot in a name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        for name, data in members.items():
            target.writestr(name.replace("__", "."), data)
    return buffer.getvalue()


def counts() -> dict[str, int]:
    """How many rows there are of what a file may leave."""
    models = (Patient, Study, Radiograph, Job, UploadItem)
    return {model.__name__: model._default_manager.count() for model in models}
