"""`manage.py verify_audit`: is the audit trail intact?"""

import sys
from typing import Any

from django.core.management.base import BaseCommand

from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.audit.verification import verify


class Command(BaseCommand):
    """Print whether the trail is intact, or what was altered, deleted or cut off, and where."""

    help = "Check the audit trail; exits 1 when it is not intact."

    def handle(self, *args: Any, **options: Any) -> None:
        verdict = verify()
        if verdict.intact:
            self.stdout.write(
                f"intact: {verdict.entries} entries, {verdict.anchors} anchors checked"
            )
        for finding in verdict.findings:
            self.stdout.write(f"entry {finding.sequence}: {finding.problem}")
        append(
            Event(
                Action.AUDIT_VERIFIED,
                detail={"intact": verdict.intact, "findings": len(verdict.findings)},
            )
        )
        if not verdict.intact:
            sys.exit(1)
