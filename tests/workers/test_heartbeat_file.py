"""The file by whose age a container platform knows whether a worker still works."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.workers.conftest import CeleryProcess, wait_until
from webportal.inference.models import ModelVersion


@pytest.fixture
def heartbeat_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set before the processes get their environment."""
    file = tmp_path / "heartbeat"
    monkeypatch.setenv("HEARTBEAT_FILE", str(file))
    return file


def test_a_worker_keeps_its_heartbeat_file_fresh(
    heartbeat_file: Path, model: ModelVersion, start: Callable[..., CeleryProcess]
) -> None:
    start()
    wait_until(heartbeat_file.exists, "there was a heartbeat file")
    long_ago = time.time() - 3600
    os.utime(heartbeat_file, (long_ago, long_ago))
    wait_until(lambda: heartbeat_file.stat().st_mtime > long_ago + 1800, "the file was fresh again")
