"""Fixtures of the tests that drive a whole system."""

from collections.abc import Iterator

import pytest

from tests.e2e.system import System, running_system


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with running_system(tmp_path_factory.mktemp("system") / "var") as system:
        yield system
