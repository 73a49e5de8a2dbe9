"""The figures of each benchmark's last run, as JSON in `var/bench`; `bench.plots` draws them."""

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from deploy.local.packages import ROOT
from ml.serving.runtimes.interface import cores
from webportal.version import VERSION

FOLDER = ROOT / "var" / "bench"


class Run:
    """A run of a benchmark, from when this is made: before anything else puts load on the machine.

    Args:
        module: the benchmark's, for example `bench.uploads`.
    """

    def __init__(self, module: str) -> None:
        self._module = module
        self._began = time.time()
        self._commit = _commit()
        self._load = os.getloadavg()[0]

    def keep(self, figures: Mapping[str, Any], folder: Path = FOLDER) -> None:
        """Write the figures with what they depend on, in place of those of the previous run."""
        kept = {
            "command": " ".join(["python", "-m", self._module, *sys.argv[1:]]),
            "began": datetime.fromtimestamp(self._began, UTC).isoformat(timespec="seconds"),
            "seconds": round(time.time() - self._began),
            "release": VERSION,
            "commit": self._commit,
            "machine": f"{cores()} cores ({_processor()}), {_gigabytes()} GB of memory",
            "load_average": {"before": self._load, "after": os.getloadavg()[0]},
            "figures": figures,
        }
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{self._module.rpartition('.')[2]}.json"
        file.write_text(json.dumps(kept, indent=1) + "\n")


def _commit() -> str:
    """The short hash, with a plus sign if files were changed since; empty outside a clone."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--exclude=*", "--dirty=+"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _processor() -> str:
    """What the processor calls itself (Linux), else its architecture."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _gigabytes() -> int:
    return round(psutil.virtual_memory().total / 1e9)
