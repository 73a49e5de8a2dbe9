"""Which GPU each worker of `make run` gets, with a stand-in for NVIDIA's program."""

import os
import signal
import sys
from pathlib import Path

import pytest

from deploy.local.devices import device_of, gpus
from deploy.local.supervisor import Program, Supervisor

LISTED = """\
GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-aaaa)
GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-bbbb)
  MIG 3g.40gb     Device  0: (UUID: MIG-1111)
  MIG 1g.10gb     Device  1: (UUID: MIG-2222)
GPU 2: NVIDIA L4 (UUID: GPU-cccc)
"""


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for `nvidia-smi`, the only one in the search path but those of the system."""
    for name in ("CUDA_VISIBLE_DEVICES", "INFERENCE_DEVICE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def answer(driver: Path, text: str, status: int = 0) -> None:
    program = driver / "nvidia-smi"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{text}END\nexit {status}\n")
    program.chmod(0o755)


def test_every_gpu_and_every_slice_is_found_once(driver: Path) -> None:
    answer(driver, LISTED)
    assert gpus() == ["GPU-aaaa", "MIG-1111", "MIG-2222", "GPU-cccc"]


def test_without_a_driver_that_works_there_is_none(driver: Path) -> None:
    assert gpus() == []
    answer(driver, "NVIDIA-SMI has failed because it couldn't communicate.\n", status=9)
    assert gpus() == []
    answer(driver, "No devices found.\n")
    assert gpus() == []


@pytest.mark.parametrize(
    ("chosen", "found"),
    [("0,2", ["0", "2"]), (" MIG-2222 ", ["MIG-2222"]), ("", []), ("-1", [])],
)
def test_the_user_who_starts_it_may_choose(
    chosen: str, found: list[str], driver: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(driver, LISTED)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    assert gpus() == found


def test_on_the_cpu_no_gpu_is_asked_for(driver: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(driver, LISTED)
    monkeypatch.setenv("INFERENCE_DEVICE", "cpu")
    assert gpus() == []


def test_each_worker_sees_only_its_own_device(tmp_path: Path) -> None:
    found = ["GPU-aaaa", "MIG-1111"]
    code = "import os, time; print('sees', os.environ['CUDA_VISIBLE_DEVICES']); time.sleep(60)"
    programs = [
        Program(
            f"worker-{number}",
            [sys.executable, "-u", "-c", code],
            environment=device_of(number, found),
        )
        for number in (1, 2, 3)
    ]
    logs = [tmp_path / f"{each.name}.log" for each in programs]

    def all_have_said_it() -> bool:
        return all(log.exists() and "sees" in log.read_text() for log in logs)

    environment = {"CUDA_VISIBLE_DEVICES": "all of them"}
    supervisor = Supervisor(programs, [], environment, tmp_path)
    supervisor.run(is_ready=all_have_said_it, on_ready=lambda: os.kill(os.getpid(), signal.SIGINT))
    said = [log.read_text().split("sees ")[1].split()[0] for log in logs]
    assert said == ["GPU-aaaa", "MIG-1111", "-1"]


def test_without_a_gpu_a_worker_is_told_nothing() -> None:
    assert device_of(1, []) == {}
