"""`manage.py anchor_audit`: write the head of the audit chain outside the database."""

from typing import Any

from django.core.management.base import BaseCommand

from webportal.audit.verification import anchor


class Command(BaseCommand):
    """Append the chain's head to AUDIT_ANCHOR_FILE."""

    help = "Write the head of the audit chain to AUDIT_ANCHOR_FILE."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write("anchored" if anchor() else "already anchored")
