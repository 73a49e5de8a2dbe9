"""Installs the locked Python packages into `.venv` with uv, which is fetched if it is missing.

Run by whichever Python the machine has, hence only the standard library and the syntax of 3.8. uv
provides a supported Python if the machine has none.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
# What is installed: a hash of the two files below, then the extras.
STAMP = VENV / "installed"
PROJECT = ROOT / "pyproject.toml"
LOCK = ROOT / "requirements.lock"
# Contains only uv, so that `.venv` can be recreated at any time.
TOOLS = ROOT / ".uv" / "venv"
# Where uv puts a Python that it fetches. Its default is in the home of the installing user, which
# services of another user cannot read.
FETCHED_PYTHONS = ROOT / ".uv" / "python"
# As in pyproject.toml: from the first version up to, but not including, the second.
PYTHONS = ((3, 11), (3, 14))
# Distributions compile it with optimisations.
PYTHON_OF_DISTRIBUTION = "/usr/bin/python3"
# The portal, and a worker on the CPU, with their services on one machine.
ALWAYS = ("local", "worker")


class InstallError(Exception):
    """The installation failed; the message says what to do."""


def chosen_extras(extras: Iterable[str] = ()) -> list[str]:
    """Return the extras that every machine needs, ``extras``, and those requested before."""
    return sorted({*ALWAYS, *_installed()[1:], *extras})


def install_packages(extras: Iterable[str] = (), *, any_python: bool = False) -> None:
    """Install the packages of ``chosen_extras``.

    Does nothing, and needs no network, if they are installed. With ``any_python``, nobody has named
    the Python that runs this, and `.venv` may get a faster one. Raises ``InstallError``.
    """
    chosen = chosen_extras(extras)
    wanted = [digest([PROJECT, LOCK]), *chosen]
    if _installed() == wanted and _is_supported(VENV_PYTHON):
        return
    uv = _uv()
    environment = _environment()
    _make_venv(uv, environment, any_python)
    print("      fetching and installing Python packages", flush=True)
    command = [
        *(uv, "pip", "install", "--python", str(VENV_PYTHON), "--exact", "--compile-bytecode"),
        *("--require-hashes", "--requirements", str(PROJECT), "--constraints", str(LOCK)),
        *(part for extra in chosen for part in ("--extra", extra)),
        *(() if sys.stderr.isatty() else ("--quiet",)),
    ]
    if subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode != 0:
        raise InstallError(
            "uv could not install the packages; see above. The first start needs a package index "
            "(UV_DEFAULT_INDEX, or pip's own configuration, says which); later starts need none."
        )
    STAMP.write_text(" ".join(wanted))


def _installed() -> list[str]:
    return STAMP.read_text().split() if STAMP.exists() else []


def digest(files: Iterable[Path]) -> str:
    """Return a hash over names and content of files in the checkout."""
    found = hashlib.sha256()
    for file in files:
        found.update(f"{file.relative_to(ROOT)}\0{file.stat().st_size}\0".encode())
        found.update(file.read_bytes())
    return found.hexdigest()


def _make_venv(uv: str, environment: dict[str, str], any_python: bool) -> None:
    if _is_supported(VENV_PYTHON):
        return
    oldest, too_new = (".".join(map(str, version)) for version in PYTHONS)
    if any_python and _is_slow() and _is_supported(PYTHON_OF_DISTRIBUTION):
        python = PYTHON_OF_DISTRIBUTION
        print(
            f"      taking {python}: {sys.executable} was compiled without optimisations",
            flush=True,
        )
    elif PYTHONS[0] <= sys.version_info[:2] < PYTHONS[1]:
        python = sys.executable
    else:
        python = f">={oldest},<{too_new}"
        here = f"{sys.version_info[0]}.{sys.version_info[1]}"
        print(f"      Python {here} is not supported: looking for another", flush=True)
    command = [uv, "venv", "--quiet", "--clear", "--no-project", "--python", python, str(VENV)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)
    if done.returncode != 0:
        raise InstallError(
            f"Chestline needs Python {oldest} or later, below {too_new}; none was found here, and "
            "none could be fetched. Install one and name it: make run PYTHON=/path/to/python3"
        )


def _is_supported(python: str | Path) -> bool:
    code = f"import sys; sys.exit(not {PYTHONS[0]} <= sys.version_info[:2] < {PYTHONS[1]})"
    return Path(python).exists() and _succeeds([python, "-c", code])


def _is_slow() -> bool:
    """Whether this Python was compiled without optimisations, as pyenv does unless told to.

    It then takes about a third more CPU time. Distributions optimise, but do not always say so.
    """
    options = sysconfig.get_config_var("CONFIG_ARGS") or ""
    return sys.base_prefix != "/usr" and "--enable-optimizations" not in options


def _uv() -> str:
    """The machine's uv if it is recent enough, else the locked one, fetched with pip."""
    locked = re.search(r"^uv==([\d.]+) .*\n(?:    --hash=.*\n)+", LOCK.read_text(), re.MULTILINE)
    assert locked is not None
    for uv in (shutil.which("uv"), str(TOOLS / "bin" / "uv")):
        if uv is not None and _version(uv) >= _numbers(locked[1]):
            return uv
    _require_venv()
    print("      fetching uv", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(TOOLS)], check=True)
    requirement = TOOLS / "uv.txt"
    requirement.write_text(locked[0])
    pip = [str(TOOLS / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install"]
    done = subprocess.run(
        [*pip, "--quiet", "--require-hashes", "--requirement", str(requirement)], check=False
    )
    if done.returncode != 0:
        raise InstallError(
            "pip could not fetch uv; see above. The first start needs a package index (pip's own "
            "configuration says which); later starts need none."
        )
    return str(TOOLS / "bin" / "uv")


def _require_venv() -> None:
    for name in ("ensurepip", "venv"):
        if not _succeeds([sys.executable, "-c", f"import {name}"]):
            raise InstallError(
                f"This Python ({sys.executable}) lacks the module {name}. On Debian and Ubuntu "
                "install it with 'apt install python3-venv', or name another Python: "
                "make run PYTHON=/path/to/python3"
            )


def _environment() -> dict[str, str]:
    """The environment for uv: the machine's trusted certificates and pip's index."""
    environment = {
        "UV_SYSTEM_CERTS": "true",
        "UV_PYTHON_INSTALL_DIR": str(FETCHED_PYTHONS),
        **os.environ,
    }
    index = os.environ.get("PIP_INDEX_URL") or _pip_index()
    if index:
        environment.setdefault("UV_DEFAULT_INDEX", index)
    return environment


def _pip_index() -> str:
    command = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _version(uv: str) -> tuple[int, ...]:
    if not Path(uv).exists():
        return ()
    shown = subprocess.run([uv, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"uv (\d+\.\d+\.\d+)", shown)
    return _numbers(found[1]) if found else ()


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _succeeds(command: Sequence[str | Path]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
