"""`manage.py anchor_audit`: write the head of the audit chain outside the database."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from webportal.audit import anchors


class Command(BaseCommand):
    """Append the chain's head to the anchors, or start a new series."""

    help = (
        "Write the head of the audit chain to AUDIT_ANCHOR_FILE and the other places for anchors."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--begin-anew",
            metavar="REASON",
            help="After a restored backup or lost anchors, once it is clear what happened: expect"
            " anchors from the next one on. The reason goes into the trail.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        reason = options["begin_anew"]
        if reason is None:
            self.stdout.write("anchored" if anchors.anchor() else "already anchored")
            return
        if not reason.strip():
            raise CommandError("Give the reason for starting a new series of anchors.")
        anchors.restart(reason.strip())
        self.stdout.write("started a new series; earlier anchors are kept but no longer compared")
