"""Small disks of their own for storage and services, so that they can be full, or gone."""

import os
import subprocess
import time
from pathlib import Path

MEGABYTE = 1024**2


class Disk:
    """A tmpfs on a folder, where this user may mount one; otherwise an ordinary folder."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.is_own = os.geteuid() == 0 and _run(
            "mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "chaos", str(folder)
        )
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Write a file until nothing more fits."""
        with self._ballast.open("ab", buffering=0) as file:
            for size in (MEGABYTE, 4096, 1):
                try:
                    while True:
                        file.write(b"\0" * size)
                except OSError:
                    continue

    def empty(self) -> None:
        """Make room again."""
        self._ballast.unlink(missing_ok=True)

    def make_read_only(self) -> bool:
        """Mount the disk read-only; False if a file stays open for writing all the time."""
        deadline = time.monotonic() + 10
        while not _run("mount", "-o", "remount,ro", str(self.folder)):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def make_writable(self) -> None:
        """Undo `make_read_only`."""
        _run("mount", "-o", "remount,rw", str(self.folder))

    def take_away(self) -> None:
        """Put an empty disk in its place, as where a volume is not mounted."""
        _run("mount", "-t", "tmpfs", "-o", "size=64m,mode=755", "chaos", str(self.folder))

    def bring_back(self) -> list[Path]:
        """Undo `take_away`; returns the files that were written into the wrong disk."""
        strays = [path for path in self.folder.rglob("*") if path.is_file()]
        _run("umount", "--lazy", str(self.folder))
        return strays

    def remove(self) -> None:
        """Unmount the disk."""
        if self.is_own:
            _run("umount", "--lazy", str(self.folder))


def _run(*command: str) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode == 0
