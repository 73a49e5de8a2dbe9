"""What `make run` installs, when, and what it says when it cannot."""

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deploy.local.install import node_environment

ROOT = Path(__file__).resolve().parents[2]
REGISTRY = re.compile(
    r"https?://\S*(registry|pypi|pythonhosted|npmjs|jsdelivr|unpkg)", re.IGNORECASE
)
# Where nothing listens: a package index that cannot be reached.
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout that needs no package, so that it installs without a network."""
    frontend = tmp_path / "webportal" / "frontend"
    (frontend / "src").mkdir(parents=True)
    (frontend / "src" / "main.ts").write_text("export {};\n")
    build = "mkdir -p ../static/dist/.vite && echo {} > ../static/dist/.vite/manifest.json"
    scripts = {"build": build, "postinstall": "mkdir -p node_modules"}
    package = {"name": "frontend", "version": "1.0.0", "scripts": scripts}
    (frontend / "package.json").write_text(json.dumps(package))
    lock = {"name": "frontend", "version": "1.0.0", "lockfileVersion": 3, "packages": {"": package}}
    (frontend / "package-lock.json").write_text(json.dumps(lock))
    for name in (".npmrc", "vite.config.ts", "tsconfig.json"):
        shutil.copy(ROOT / "webportal" / "frontend" / name, frontend)
    for name in ("requirements.txt", "requirements-dev.txt", "constraints.txt"):
        (tmp_path / name).touch()
    local = tmp_path / "deploy" / "local"
    local.mkdir(parents=True)
    shutil.copy(ROOT / "deploy" / "local" / "install.py", local)
    shutil.copy(ROOT / "Makefile", tmp_path)
    return tmp_path


def _make_install(
    checkout: Path, python: str = sys.executable, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "install", f"PYTHON={python}"],
        cwd=checkout,
        env=os.environ
        | {"PIP_INDEX_URL": NOWHERE, "PIP_RETRIES": "0", "PIP_EXTRA_INDEX_URL": NOWHERE}
        | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "npm_config_registry": NOWHERE}
        | {"PATH": node_environment()["PATH"]}
        # Under `make test` this would be a part of that make, and speak as one.
        | {"MAKEFLAGS": "", "MAKELEVEL": ""}
        | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def _python_that_says(folder: Path, code: str) -> str:
    """A `python3` that fails as an unsuitable one does."""
    program = folder / "unsuitable-python"
    program.write_text(f"#!/bin/sh\n{code}\n")
    program.chmod(0o755)
    return str(program)


def test_a_second_start_installs_nothing_and_needs_no_node(checkout: Path) -> None:
    first = _make_install(checkout)
    assert first.returncode == 0, first.stdout + first.stderr
    (checkout / "webportal" / "static" / "dist" / "kept").touch()
    shutil.rmtree(checkout / "webportal" / "frontend" / "node_modules", ignore_errors=True)

    tools = checkout / "tools"
    tools.mkdir()
    for tool in ("make", "sh"):
        (tools / tool).symlink_to(str(shutil.which(tool)))
    second = _make_install(checkout, PATH=str(tools))
    assert second.returncode == 0, second.stdout + second.stderr
    assert second.stdout == "[1/5] Python packages\n[2/5] Front end\n"
    assert (checkout / "webportal" / "static" / "dist" / "kept").exists()


def test_a_changed_source_is_built_again_without_fetching(checkout: Path) -> None:
    assert _make_install(checkout).returncode == 0
    (checkout / "webportal" / "frontend" / "src" / "main.ts").write_text("export default 1;\n")
    again = _make_install(checkout)
    assert again.returncode == 0, again.stdout
    assert "building" in again.stdout
    assert "fetching" not in again.stdout


def test_a_package_that_cannot_be_fetched_is_named_and_tried_again(checkout: Path) -> None:
    (checkout / "requirements.txt").write_text("chestline-needs-this==1.0\n")
    for _ in range(2):
        failed = _make_install(checkout)
        assert failed.returncode != 0
        assert "chestline-needs-this" in failed.stderr
        assert "needs a package index" in failed.stderr


def test_an_old_python_is_refused_with_what_to_do(checkout: Path) -> None:
    python = _python_that_says(
        checkout, '[ "$1" = --version ] && echo Python 3.9.2; [ "$1" = --version ]'
    )
    failed = _make_install(checkout, python=python)
    assert failed.returncode != 0
    assert "needs Python 3.11 or newer" in failed.stdout
    assert "Python 3.9.2" in failed.stdout
    assert "PYTHON=" in failed.stdout


def test_a_python_without_venv_is_refused_with_what_to_do(checkout: Path) -> None:
    # As on Debian, where ensurepip comes in a package of its own.
    hidden = checkout / "hidden"
    hidden.mkdir()
    (hidden / "ensurepip.py").write_text("raise ImportError('not installed')\n")
    failed = _make_install(checkout, PYTHONPATH=str(hidden))
    assert failed.returncode != 0
    assert "apt install python3-venv" in failed.stderr


def test_no_registry_is_named_anywhere() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    named = []
    for name in listed.stdout.split("\0"):
        file = ROOT / name
        if not file.is_file() or file == Path(__file__):
            continue
        if REGISTRY.search(file.read_text(errors="ignore")):
            named.append(name)
    assert not named


def test_every_npm_package_is_locked_by_hash() -> None:
    lock = json.loads((ROOT / "webportal" / "frontend" / "package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages
    assert not [name for name, entry in packages.items() if "integrity" not in entry]
    assert not [name for name, entry in packages.items() if "resolved" in entry]


def test_every_package_that_is_needed_is_pinned() -> None:
    """What pip resolves depends on nothing but the pins."""
    pins = {}
    for name in ("requirements.txt", "requirements-dev.txt", "constraints.txt"):
        for line in (ROOT / name).read_text().splitlines():
            if line and not line.startswith(("#", "-")):
                requirement = Requirement(line)
                pins[canonicalize_name(requirement.name)] = requirement
    assert not [pin for pin in pins.values() if not str(pin.specifier).startswith("==")]
    missing = {
        f"{name} needs {needed.name}"
        for name, pin in pins.items()
        for needed in _needed_by(pin)
        if canonicalize_name(needed.name) not in {*pins, "pip"}
    }
    assert not missing


def _needed_by(pin: Requirement) -> list[Requirement]:
    """What a package needs with the extras that are asked for, on any machine that is supported.

    Read from the installed package; what is not installed here is needed by nothing else here.
    """
    try:
        needed = [Requirement(text) for text in requires(pin.name) or []]
    except PackageNotFoundError:
        return []
    environments = [
        {
            "extra": extra,
            "python_version": full.rpartition(".")[0],
            "python_full_version": full,
            "platform_machine": machine,
        }
        for extra in pin.extras or {""}
        for full in ("3.11.0", "3.12.0", "3.13.0")
        for machine in ("x86_64", "aarch64")
    ]
    return [
        each
        for each in needed
        if each.marker is None or any(each.marker.evaluate(where) for where in environments)
    ]
