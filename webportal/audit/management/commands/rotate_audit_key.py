"""`manage.py rotate_audit_key`: go on with a new AUDIT_KEY."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from webportal import keys
from webportal.audit import rotation
from webportal.audit.keyring import MissingKeyError


class Command(BaseCommand):
    """Record the change of the key, after which every entry and anchor has the new one."""

    help = (
        "Let the audit trail go on under AUDIT_KEY; the key before it has to be in AUDIT_OLD_KEYS."
        " Run it once every process has been started with both."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            entry = rotation.rotate()
        except (rotation.RotationError, MissingKeyError, keys.RefusedKeyError) as error:
            raise CommandError(str(error)) from error
        detail = entry.detail
        self.stdout.write(
            f"From entry {entry.sequence} on the trail has the key {detail['key']}. Keep the key"
            f" before it, {detail['previous_key']}, in AUDIT_OLD_KEYS: without it earlier entries"
            " cannot be verified."
        )
