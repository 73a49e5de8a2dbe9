"""Fixtures of the tests that drive a whole system."""

from collections.abc import Iterator

import pytest

from tests.e2e.browser import close_context_left
from tests.e2e.system import System, running_system


@pytest.fixture(autouse=True, scope="session")
def _no_context_left(django_db_setup: None) -> Iterator[None]:
    """Its connections to the portal keep some to the database, which is removed afterwards."""
    yield
    close_context_left()


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with running_system(tmp_path_factory.mktemp("system") / "var") as system:
        yield system
