"""The portal's server as other programs see it: its address and a token."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from tests.server.conftest import Server, start_server
from webportal.accounts.models import User
from webportal.accounts.services import create_token
from webportal.storage import storage_from_url

__all__ = ["start_server"]


@dataclass(frozen=True)
class Portal:
    """A running server and the token of a radiologist."""

    server: Server
    token: str

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server.port}"

    @property
    def root(self) -> str:
        """The root of DICOMweb."""
        return f"{self.url}/dicom-web"

    @property
    def headers(self) -> dict[str, str]:
        """What a program sends along."""
        return {"Authorization": f"Bearer {self.token}"}


@pytest.fixture
def start_portal(
    start_server: Callable[..., Server],
    radiologist: User,
    settings: Settings,
    tmp_path: Path,
) -> Callable[..., Portal]:
    """Start a server with a storage of its own and further settings."""
    url = f"file://{tmp_path}/storage"
    settings.STORAGES = settings.STORAGES | {"default": storage_from_url(url)}

    def start(**more: str) -> Portal:
        server = start_server(STORAGE_URL=url, **more)
        return Portal(server, create_token(radiologist, "a peer", 1))

    return start


@pytest.fixture
def portal(start_portal: Callable[..., Portal]) -> Portal:
    """A running server."""
    return start_portal()
