"""Read every stored file and compare it with its recorded SHA-256."""

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from webportal.records.file_faults import open_faults
from webportal.storage import StorageAwayError
from webportal.upkeep import checking

_MEGABYTE = 1024**2
_STEP_SECONDS = 1.0


class Command(BaseCommand):
    """Continue the open round of the check, or start one, and finish it.

    After Ctrl-C, the next call continues where this one stopped.
    """

    help = (
        "Compare every stored file with its recorded SHA-256; fails if one is missing or damaged."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--megabytes-per-second",
            type=float,
            default=20,
            help="megabytes read per second at most, 0 for no limit (default: 20)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        rate = options["megabytes_per_second"] * _MEGABYTE
        check = checking.begin()
        shown = -1
        while check.finished_at is None:
            began, before = time.monotonic(), check.checked_bytes
            most = int(rate * _STEP_SECONDS) if rate > 0 else 2**63
            try:
                check = checking.check_some(check, most_bytes=most, most_seconds=_STEP_SECONDS)
            except StorageAwayError:
                raise CommandError(
                    "The storage (STORAGE_URL) is unavailable or empty; is its volume mounted?"
                ) from None
            if check.percent // 10 > shown:
                shown = check.percent // 10
                self.stdout.write(f"{check.percent} %: {check.checked_images} images")
            if rate > 0:
                wanted = (check.checked_bytes - before) / rate
                time.sleep(max(0.0, wanted - (time.monotonic() - began)))
        self.stdout.write(
            f"{check.checked_images} images, {check.checked_bytes / _MEGABYTE:.0f} MB checked."
        )
        faults = list(open_faults())
        for fault in faults:
            self.stdout.write(f"{fault.kind}: {fault.key} (radiograph {fault.radiograph_id})")
        if faults:
            raise CommandError(
                f"{len(faults)} stored files are missing or damaged. Upload the same files again,"
                " or put them back from a backup."
            )
