"""What `make run` installs, when, and its error messages."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from deploy.local.frontend import node_environment
from deploy.local.packages import LOCK, PROJECT, PYTHONS

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
    _write_project(tmp_path)
    local = tmp_path / "deploy" / "local"
    local.mkdir(parents=True)
    for module in ("install", "packages", "frontend"):
        shutil.copy(ROOT / "deploy" / "local" / f"{module}.py", local)
    shutil.copy(LOCK, tmp_path)
    shutil.copy(ROOT / "Makefile", tmp_path)
    return tmp_path


def _write_project(checkout: Path, *needed: str) -> None:
    (checkout / "pyproject.toml").write_text(
        f'[project]\nname = "chestline"\nversion = "1"\ndependencies = {json.dumps(needed)}\n'
        "[project.optional-dependencies]\nlocal = []\nworker = []\ngpu = []\n"
    )


def _make_install(
    checkout: Path, *variables: str, python: str | None = sys.executable, **environment: str
) -> subprocess.CompletedProcess[str]:
    # uv is a part of the tests' own environment.
    path = f"{Path(sys.executable).parent}{os.pathsep}{node_environment()['PATH']}"
    return subprocess.run(
        ["make", "install", *([f"PYTHON={python}"] if python else []), *variables],
        cwd=checkout,
        env=os.environ
        | {"PIP_INDEX_URL": NOWHERE, "PIP_RETRIES": "0", "PIP_EXTRA_INDEX_URL": NOWHERE}
        | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "npm_config_registry": NOWHERE}
        | {"UV_HTTP_RETRIES": "0", "UV_PYTHON_DOWNLOADS": "never", "PATH": path}
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
    assert second.stdout == "[1/4] Python packages and front end\n"
    assert (checkout / "webportal" / "static" / "dist" / "kept").exists()


def test_changed_sources_are_rebuilt_without_downloads(checkout: Path) -> None:
    assert _make_install(checkout).returncode == 0
    (checkout / "webportal" / "frontend" / "src" / "main.ts").write_text("export default 1;\n")
    again = _make_install(checkout)
    assert again.returncode == 0, again.stdout
    assert "building" in again.stdout
    assert "fetching" not in again.stdout


def test_a_package_that_cannot_be_downloaded_is_named_and_retried(checkout: Path) -> None:
    _write_project(checkout, "chestline-needs-this>=1.0")
    for _ in range(2):
        failed = _make_install(checkout)
        assert failed.returncode != 0
        assert "chestline-needs-this" in failed.stderr
        assert "needs a package index" in failed.stderr


def test_requested_extras_stay_installed(checkout: Path) -> None:
    assert _make_install(checkout, "EXTRAS=gpu").returncode == 0
    (checkout / "pyproject.toml").write_text((checkout / "pyproject.toml").read_text() + "\n")
    assert _make_install(checkout).returncode == 0
    assert (checkout / ".venv" / "installed").read_text().split()[1:] == ["gpu", "local", "worker"]


def test_a_python_that_cannot_run_the_installer_is_refused_with_instructions(
    checkout: Path,
) -> None:
    python = _python_that_says(
        checkout, '[ "$1" = --version ] && echo Python 3.6.2; [ "$1" = --version ]'
    )
    failed = _make_install(checkout, python=python)
    assert failed.returncode != 0
    assert "needs Python 3.11, 3.12 or 3.13" in failed.stdout
    assert "Python 3.6.2" in failed.stdout
    assert "PYTHON=" in failed.stdout


@pytest.mark.parametrize("python", [None, sys.executable], ids=["any", "named"])
@pytest.mark.parametrize("options", ["--enable-shared", "--enable-optimizations"])
def test_the_distributions_python_replaces_one_that_is_slow_and_was_not_named(
    options: str, python: str | None, checkout: Path
) -> None:
    packages = checkout / "deploy" / "local" / "packages.py"
    distribution = checkout / "distribution" / "python3"
    distribution.parent.mkdir()
    distribution.symlink_to(Path(sys.executable).resolve())
    packages.write_text(packages.read_text().replace("/usr/bin/python3", str(distribution)))
    customized = checkout / "customized"
    customized.mkdir()
    (customized / "sitecustomize.py").write_text(
        "import sys, sysconfig\n"
        "sys.base_prefix = '/home/somebody/.pyenv'\n"
        f"sysconfig.get_config_vars()['CONFIG_ARGS'] = '{options}'\n"
    )
    done = _make_install(checkout, python=python, PYTHONPATH=str(customized))
    assert done.returncode == 0, done.stdout + done.stderr
    is_replaced = python is None and options == "--enable-shared"
    assert (f"taking {distribution}" in done.stdout) == is_replaced
    made_with = (checkout / ".venv" / "bin" / "python").readlink()
    assert (made_with == distribution) == is_replaced


def test_without_a_supported_python_one_line_says_what_to_do(checkout: Path) -> None:
    packages = checkout / "deploy" / "local" / "packages.py"
    older = packages.read_text().replace(f"PYTHONS = {PYTHONS}", "PYTHONS = ((3, 7), (3, 8))")
    packages.write_text(older)
    failed = _make_install(checkout, UV_PYTHON_PREFERENCE="only-managed")
    assert failed.returncode != 0
    assert "is not supported: looking for another" in failed.stdout
    (said,) = [line for line in failed.stderr.splitlines() if line and "make" not in line[:5]]
    assert said.startswith("Chestline needs Python 3.7 or later, below 3.8; none was found here")
    assert "make run PYTHON=" in said


def test_the_installer_and_the_project_support_the_same_pythons() -> None:
    stated = SpecifierSet(tomllib.loads(PROJECT.read_text())["project"]["requires-python"])
    (first, after) = (f"{major}.{minor}" for major, minor in PYTHONS)
    assert stated == SpecifierSet(f">={first},<{after}")


def test_a_python_without_venv_is_refused_with_instructions(checkout: Path) -> None:
    # As on Debian, where ensurepip comes in a package of its own.
    hidden = checkout / "hidden"
    hidden.mkdir()
    (hidden / "ensurepip.py").write_text("raise ImportError('not installed')\n")
    without_uv = node_environment()["PATH"]
    failed = _make_install(checkout, PYTHONPATH=str(hidden), PATH=without_uv)
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


def test_every_python_package_is_locked_by_hash() -> None:
    for file in (LOCK, ROOT / "requirements.txt"):
        text = file.read_text().replace("\\\n", "")
        pins = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
        assert pins
        assert not [pin for pin in pins if "==" not in pin or " --hash=sha256:" not in pin]


def test_installing_with_pip_uses_the_locked_versions_and_can_run_the_tests(tmp_path: Path) -> None:
    locked = set(re.findall(r"^\S+==\S+", LOCK.read_text(), re.MULTILINE))
    exported = re.findall(r"^\S+==\S+", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert locked >= set(exported)
    names = {pin.partition("==")[0].partition("[")[0] for pin in exported}
    needed = "celery redis django djangorestframework tensorflow pillow pytest-django"
    assert names >= set(needed.split())
