"""`manage.py retention --dry-run`: list the studies that are due for removal."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser, no_translations

from webportal.retention import rule


class Command(BaseCommand):
    """Prints one line per study: its id, and the start of its retention period."""

    help = "List the studies that are due under the retention rule and not on legal hold."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="List them; remove nothing.")

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        if not options["dry_run"]:
            raise CommandError(
                "‘--dry-run’ lists what is due. Hospital IT erases it under Retention."
            )
        if not rule.is_set():
            raise CommandError("There is no rule: RETENTION_YEARS is 0.")
        for study in rule.due().iterator():
            self.stdout.write(f"{study.pk} {study.begun_at:%Y-%m-%d}")
        figures = rule.figures()
        self.stderr.write(f"{figures.due} studies are due; {figures.held} more are on legal hold.")
