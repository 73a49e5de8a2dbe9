"""Which GPU each worker of a single machine gets: one worker, one device, or slice of one (MIG)."""

import os
import re
import subprocess

HIDING = "CUDA_VISIBLE_DEVICES"
_LIST = ("nvidia-smi", "-L")
_LIST_SECONDS = 30
# «GPU 0: NVIDIA H100 (UUID: GPU-…)», below it «  MIG 1g.10gb Device 0: (UUID: MIG-…)».
_DEVICE = re.compile(r"^\s*(GPU|MIG) .*\(UUID: ([^)]+)\)")


def gpus() -> list[str]:
    """The GPUs that workers may use, as CUDA names them, in the order of the driver.

    Of a GPU that is divided, its slices: CUDA shows a process only one of them, and not the whole.
    If CUDA_VISIBLE_DEVICES is set, what it says; none where INFERENCE_DEVICE is `cpu`, or without
    NVIDIA's driver.
    """
    if os.environ.get("INFERENCE_DEVICE") == "cpu":
        return []
    if (chosen := os.environ.get(HIDING)) is not None:
        return [name.strip() for name in chosen.split(",") if name.strip() not in ("", "-1")]
    try:
        listed = subprocess.run(
            _LIST, capture_output=True, text=True, check=True, timeout=_LIST_SECONDS
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return _devices(listed)


def _devices(listed: str) -> list[str]:
    found: list[str] = []
    whole = ""
    for kind, name in (each.groups() for each in map(_DEVICE.match, listed.splitlines()) if each):
        if kind == "GPU":
            whole = name
        elif found and found[-1] == whole:
            found.pop()
        found.append(name)
    return found


def device_of(number: int, found: list[str]) -> dict[str, str]:
    """What the environment of the worker with this number, from 1, says of its device.

    Nothing where there is no GPU. Workers beyond the number of GPUs work on the CPU.
    """
    if not found:
        return {}
    return {HIDING: found[number - 1] if number <= len(found) else "-1"}
