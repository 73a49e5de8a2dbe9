"""A researcher, and a storage of one's own."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from webportal.accounts.models import Role, User
from webportal.storage import storage_from_url


@pytest.fixture(autouse=True)
def _own_storage(settings: Settings, tmp_path: Path) -> None:
    url = f"file://{tmp_path / 'storage'}"
    settings.STORAGES = settings.STORAGES | {"default": storage_from_url(url)}
    settings.UPLOAD_MIN_FREE_BYTES = 0


@pytest.fixture
def researcher(make_user: Callable[..., User]) -> User:
    return make_user(Role.RESEARCHER)
