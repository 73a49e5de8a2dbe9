"""`manage.py verify_audit`: verify the audit trail, and the records against it."""

import os
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser, no_translations

from webportal.audit import runs


class Command(BaseCommand):
    """Print whether everything is intact, or what was altered, deleted or cut off, and where."""

    help = "Check the audit trail and the records against each other; exits 1 on a finding."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--queued",
            action="store_true",
            help="Run the verification requested on a page, if there is one.",
        )

    # Monitoring compares the output.
    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        if options["queued"]:
            # Lower CPU priority than requests and workers.
            os.nice(10)
            verification = runs.run_queued()
        else:
            verification = runs.run_now(self._show_progress)
        if verification is None or verification.verdict is None:
            return
        verdict = verification.verdict
        if verdict.intact:
            self.stdout.write(
                f"intact: {verdict.entries} entries, {verdict.anchors} anchors checked"
            )
        for each in [*verdict.findings, *verdict.remarks]:
            self.stdout.write(str(each))
        if not verdict.intact:
            sys.exit(1)

    def _show_progress(self, done: int, total: int) -> None:
        if self.stderr.isatty():
            self.stderr.write(f"\r{done} of {total}", ending="")
