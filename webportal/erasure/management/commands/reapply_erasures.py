"""`manage.py reapply_erasures`: repeat the erasures that a restored database has undone."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, no_translations

from webportal.erasure import execution
from webportal.erasure.register import RegisterError


class Command(BaseCommand):
    """Also run by `manage.py restore`."""

    help = "Repeat the recorded erasures after the database was restored by other means."

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            count = execution.reapply(self.stdout.write)
        except RegisterError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{count} erasures were carried out again.")
