"""Fixtures of the tests of DICOMweb."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from webportal.accounts.models import TokenScope, User
from webportal.accounts.services import create_token
from webportal.storage import storage_from_url

BOUNDARY = "the-boundary"
STUDIES = "/dicom-web/studies"
Store = Callable[..., Any]
Call = Callable[..., APIClient]


@pytest.fixture(autouse=True)
def _own_storage(settings: Settings, tmp_path: Path) -> None:
    storage = storage_from_url(f"file://{tmp_path}/storage")
    settings.STORAGES = settings.STORAGES | {"default": storage}
    settings.UPLOAD_MIN_FREE_BYTES = 0
    settings.UPLOAD_TEMP_DIR = tmp_path


@pytest.fixture
def calling() -> Call:
    """Return a program with a token of the person's."""

    def client(user: User, scope: str = TokenScope.ALL, prefix: str = "Bearer") -> APIClient:
        found = APIClient()
        found.credentials(HTTP_AUTHORIZATION=f"{prefix} {create_token(user, 'a PACS', 1, scope)}")
        return found

    return client


def in_parts(*files: bytes, media_type: str = "application/dicom") -> bytes:
    """A body of parts."""
    head = f"--{BOUNDARY}\r\nContent-Type: {media_type}\r\n\r\n".encode()
    return b"".join(head + file + b"\r\n" for file in files) + f"--{BOUNDARY}--\r\n".encode()


def stow(client: APIClient, *files: bytes, path: str = STUDIES, body: bytes | None = None) -> Any:
    """Send files, or a body as it is."""
    return client.post(
        path,
        data=in_parts(*files) if body is None else body,
        content_type=f'multipart/related; type="application/dicom"; boundary={BOUNDARY}',
    )


@pytest.fixture
def reader(radiologist: User, calling: Call) -> APIClient:
    """A program with the token of a radiologist."""
    return calling(radiologist)
