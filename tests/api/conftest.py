"""Fixtures of the API's tests."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from webportal.accounts.models import User
from webportal.storage import storage_from_url

Call = Callable[[User], APIClient]


@pytest.fixture(autouse=True)
def _own_storage(settings: Settings, tmp_path: Path) -> None:
    storage = storage_from_url(f"file://{tmp_path}/storage")
    settings.STORAGES = settings.STORAGES | {"default": storage}
    settings.UPLOAD_MIN_FREE_BYTES = 0


@pytest.fixture
def as_user() -> Call:
    """Return a client that calls as the user, as a program with a token would."""

    def client(user: User) -> APIClient:
        found = APIClient()
        found.force_authenticate(user)
        return found

    return client
