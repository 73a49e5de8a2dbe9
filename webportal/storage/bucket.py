"""Files in an S3 bucket.

In a module of its own, because portals that keep their files in a folder need not load the client.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.core.files import File
from s3transfer.exceptions import RetriesExceededError
from storages.backends.s3 import S3Storage

from webportal.storage import StorageAwayError

# By default a request waits a minute for a connection and another for an answer, five times each,
# and so would a thread of the portal.
_LIMITS = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 3})


@contextmanager
def _answering() -> Iterator[None]:
    """Turn what the client raises into StorageAwayError: it concerns no single file.

    A file that is not there is FileNotFoundError, which the backend itself raises. A download that
    breaks off again and again is RetriesExceededError, which is none of the client's own errors.
    """
    try:
        yield
    except (BotoCoreError, Boto3Error, ClientError, RetriesExceededError) as error:
        raise StorageAwayError(type(error).__name__) from error


class BucketStorage(S3Storage):  # type: ignore[misc]
    """A bucket; while it does not answer, every call raises StorageAwayError."""

    client_config: Any

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.client_config = self.client_config.merge(_LIMITS)

    def _open(self, name: str, mode: str = "rb") -> "File[Any]":
        with _answering():
            opened: File[Any] = super()._open(name, mode)
            if "r" in mode:
                # Fetched now, so that nothing is left to fail when it is read.
                opened.open()
            return opened

    def _save(self, name: str, content: "File[Any]") -> str:
        with _answering():
            return str(super()._save(name, content))

    def delete(self, name: str) -> None:
        """Delete the file of this name, if there is one."""
        with _answering():
            super().delete(name)

    def exists(self, name: str) -> bool:
        """Whether there is a file of this name."""
        with _answering():
            return bool(super().exists(name))

    def listdir(self, name: str) -> tuple[list[str], list[str]]:
        """The folders and the files in a folder."""
        with _answering():
            folders, files = super().listdir(name)
            return folders, files

    def size(self, name: str) -> int:
        """The size of a file in bytes."""
        with _answering():
            return int(super().size(name))

    def get_modified_time(self, name: str) -> datetime:
        """When a file was stored."""
        with _answering():
            stored: datetime = super().get_modified_time(name)
            return stored
