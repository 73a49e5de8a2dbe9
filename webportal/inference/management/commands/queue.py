"""`manage.py queue`: show, pause and resume the queue, and change failed jobs by reason."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError, no_translations

from webportal.accounts.models import Role, User
from webportal.inference import bulk, pauses
from webportal.inference.command_line import acting
from webportal.inference.health import lines
from webportal.records.choices import Priority

PRIORITIES = [priority.name.lower() for priority in Priority]


class Command(BaseCommand):
    """What hospital IT does under *Queue*, for scripts."""

    help = "Show, pause or resume the queue, or change all jobs that failed for a reason."

    def add_arguments(self, parser: ArgumentParser) -> None:
        commands = parser.add_subparsers(dest="do", required=True)
        commands.add_parser("show", help="waiting, running and failed jobs, by priority")
        for name, words in (
            ("pause", "stop workers from taking jobs; they finish those they have"),
            ("resume", "let workers take jobs again"),
        ):
            command = commands.add_parser(name, help=words)
            command.add_argument(
                "priority", nargs="?", choices=PRIORITIES, help="default: the whole queue"
            )

        for change in bulk.BulkChange:
            words = f"{str(change.label)[0].lower()}{str(change.label)[1:]}"
            command = commands.add_parser(change.value.replace("_", "-"), help=words)
            command.add_argument("reason", help="the code of the reason, as on the page")
            command.add_argument("--by", required=True, help="the user name of hospital IT")

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        if options["do"] in [change.value.replace("_", "-") for change in bulk.BulkChange]:
            self._change_all(options)
        elif options["do"] != "show":
            name = options["priority"]
            priority = Priority[name.upper()] if name else None
            change = pauses.pause if options["do"] == "pause" else pauses.resume
            if not change(priority, acting()):
                self.stdout.write("That was so already.")
        self._show()

    def _change_all(self, options: dict[str, Any]) -> None:
        change = bulk.BulkChange(options["do"].replace("-", "_"))
        person = User.objects.filter(username=options["by"], is_active=True).first()
        if person is None or not person.has_role(Role.IT):
            raise CommandError(f"{options['by']} is not an active account of hospital IT.")
        # As many as there are now: those that fail again meanwhile are not changed again.
        left = bulk.jobs_for(change, options["reason"]).count()
        changed = 0
        while step := bulk.apply(
            change, options["reason"], person, min(bulk.MOST, left - changed)
        ).changed:
            changed += step
        self.stdout.write(f"{changed} jobs were changed.")

    def _show(self) -> None:
        self.stdout.write("priority    queued  oldest wait   running  in quarantine")
        for line in lines():
            words = (
                f"{line.name:<10}{line.queued:>8}{line.wait_text:>13}{line.running:>10}"
                f"{line.quarantined:>15}{'  paused' if line.is_paused else ''}"
            )
            self.stdout.write(words)
