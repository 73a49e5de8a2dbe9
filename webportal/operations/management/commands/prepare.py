"""`manage.py prepare`: prepares the database and the model before the processes start."""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from webportal import keys
from webportal.audit.models import AuditEntry
from webportal.database import roles, schema
from webportal.inference.purpose.keeping import evaluate_unjudged


class Command(BaseCommand):
    """Migrate, register the shipped model, evaluate old results, create the first administrator.

    Safe to repeat.
    """

    help = "Migrate the database, register the shipped model, and create the first administrator."
    # `migrate` runs them.
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            keys.check_secret_key()
            schema.migrate(options["verbosity"])
            keys.check_audit_key(is_in_use=AuditEntry.objects.exists())
            keys.check_trail_key()
        except (keys.RefusedKeyError, roles.RoleError, schema.MigrationError) as error:
            raise CommandError(str(error)) from error
        call_command("register_model", stdout=self.stdout)
        evaluate_unjudged()
        call_command("create_first_administrator", stdout=self.stdout)
