"""Locks the packages: `python -m tools.lock [OPTION …]`, with options of `uv pip compile`.

`requirements.lock` pins by hash everything that pyproject.toml may install; every installation is
bound by it. `requirements.txt` is the subset for installing with pip. Neither names a package
index, so that a hospital's mirror works as well as the public one.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from deploy.local.packages import PYTHONS, ROOT

OLDEST = ".".join(map(str, PYTHONS[0]))
FILES = ("requirements.lock", "requirements.txt")


def main() -> None:
    """Write both files; locked versions are kept unless an option says otherwise."""
    if not _write(ROOT, sys.argv[1:]):
        sys.exit(1)


def is_current() -> bool:
    """Whether both files match pyproject.toml. Needs the package index."""
    with tempfile.TemporaryDirectory() as folder:
        for name in FILES:
            shutil.copy(ROOT / name, folder)
        if not _write(Path(folder)):
            return False
        stale = [
            name for name in FILES if (ROOT / name).read_text() != (Path(folder) / name).read_text()
        ]
    for name in stale:
        print(f"{name} does not match pyproject.toml: run 'make lock'")
    return not stale


def _write(folder: Path, options: Sequence[str] = ()) -> bool:
    lock, exported = (str(folder / name) for name in FILES)
    return _compile("--all-extras", *options, "--output-file", lock) and _compile(
        *("--extra", "dev", "--constraints", lock, "--no-annotate", "--output-file", exported)
    )


def _compile(*arguments: str) -> bool:
    command = [
        *(sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "--quiet"),
        *("--universal", "--python-version", OLDEST, "--generate-hashes"),
        *("--custom-compile-command", "make lock", *arguments),
    ]
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


if __name__ == "__main__":
    main()
