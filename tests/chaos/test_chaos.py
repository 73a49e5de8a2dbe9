"""The short form of `make chaos`: real processes, a fixed set of faults, the full verdict."""

import re
import subprocess
import sys

import pytest

# Ten times the duration on an idle machine.
SECONDS = 400


@pytest.mark.timeout(SECONDS + 20)
def test_nothing_is_lost_or_doubled_whatever_fails() -> None:
    command = [sys.executable, "-m", "chaos", "--short", "--seed", "1", "--jobs", "60"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    faults = re.search(r"seed 1: passed, \d+ jobs, (\d+) faults", done.stdout)
    assert faults is not None
    assert int(faults[1]) >= 4, done.stdout
