"""Small separate disks for storage and services, which can be filled or taken away."""

import os
import subprocess
import time
from pathlib import Path

MEGABYTE = 1024**2


class Disk:
    """A tmpfs if this user may mount one; otherwise an ordinary folder."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.is_own = os.geteuid() == 0 and _run(
            "mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "chaos", str(folder)
        )
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Fill the disk with a file."""
        with self._ballast.open("ab", buffering=0) as file:
            for size in (MEGABYTE, 4096, 1):
                try:
                    while True:
                        file.write(b"\0" * size)
                except OSError:
                    continue

    def empty(self) -> None:
        """Free the space again."""
        self._ballast.unlink(missing_ok=True)

    def make_read_only(self) -> bool:
        """Remount the disk read-only; returns False if a file is kept open for writing."""
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
        """Replace it with an empty disk, as if a volume had not been mounted."""
        _run("mount", "-t", "tmpfs", "-o", "size=64m,mode=755", "chaos", str(self.folder))

    def bring_back(self) -> list[Path]:
        """Undo `take_away`; returns the files written to the wrong disk."""
        strays = [path for path in self.folder.rglob("*") if path.is_file()]
        _run("umount", "--lazy", str(self.folder))
        return strays

    def remove(self) -> None:
        """Unmount the disk."""
        if self.is_own:
            _run("umount", "--lazy", str(self.folder))


def _run(*command: str) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode == 0
