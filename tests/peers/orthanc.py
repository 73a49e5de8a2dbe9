"""Orthanc, run with a configuration of the test."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import wait_until
from tools.peers import ORTHANC_PLUGINS


@contextmanager
def running_orthanc(
    folder: Path, plugin: str, configuration: Mapping[str, Any], answers: Callable[[], bool]
) -> Iterator[None]:
    """Run Orthanc with one plugin until the block ends; its files are in a folder of the test."""
    library = ORTHANC_PLUGINS / plugin
    if shutil.which("Orthanc") is None or not library.is_file():
        pytest.skip("Orthanc is not installed: run make test-peers as root")
    storage = str(folder / "orthanc")
    places = {"StorageDirectory": storage, "IndexDirectory": storage, "Plugins": [str(library)]}
    file, log = folder / "orthanc.json", folder / "orthanc.log"
    file.write_text(json.dumps({**places, **configuration}))
    with log.open("wb") as out:
        process = subprocess.Popen(
            ["Orthanc", str(file)], cwd=folder, stdout=out, stderr=subprocess.STDOUT
        )

    def is_ready() -> bool:
        assert process.poll() is None, log.read_text()
        return answers()

    try:
        wait_until(is_ready, "Orthanc answers")
        yield
    finally:
        process.terminate()
        process.wait()
