"""`manage.py verify_audit`: is the audit trail intact?"""

import sys
from typing import Any

from django.core.management.base import BaseCommand, no_translations

from webportal.audit.verification import verify_and_record


class Command(BaseCommand):
    """Print whether the trail is intact, or what was altered, deleted or cut off, and where."""

    help = "Check the audit trail; exits 1 when it is not intact."

    # What watches over the output compares it.
    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        verdict = verify_and_record()
        if verdict.intact:
            self.stdout.write(
                f"intact: {verdict.entries} entries, {verdict.anchors} anchors checked"
            )
        for each in [*verdict.findings, *verdict.remarks]:
            self.stdout.write(str(each))
        if not verdict.intact:
            sys.exit(1)
