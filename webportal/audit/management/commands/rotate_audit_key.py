"""`manage.py rotate_audit_key`: continue the audit trail under a new AUDIT_KEY."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from webportal import keys
from webportal.audit import rotation
from webportal.audit.keyring import MissingKeyError


class Command(BaseCommand):
    """Record the change of the key; every later entry and anchor is signed with the new one."""

    help = (
        "Continue the audit trail under AUDIT_KEY; the previous key must be in AUDIT_OLD_KEYS."
        " Run it once every process has been restarted with both."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--old-key-lost",
            metavar="REASON",
            help="Continue although the current key of the trail is lost. Nothing under it can be"
            " verified any more. The reason goes into the trail.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        reason = options["old_key_lost"]
        if reason is not None and not reason.strip():
            raise CommandError("Give the reason: what happened to the key.")
        try:
            entry = rotation.replace_lost(reason.strip()) if reason else rotation.rotate()
        except (rotation.RotationError, MissingKeyError, keys.RefusedKeyError) as error:
            raise CommandError(str(error)) from error
        detail = entry.detail
        begun = f"From entry {entry.sequence} on, the audit trail uses the key {detail['key']}."
        before = (
            f" The previous key, {detail['previous_key']}, is lost: earlier entries cannot be"
            " verified. If it is found, put it into AUDIT_OLD_KEYS."
            if reason
            else f" Keep the previous key, {detail['previous_key']}, in AUDIT_OLD_KEYS: without it"
            " earlier entries cannot be verified."
        )
        self.stdout.write(begun + before)
