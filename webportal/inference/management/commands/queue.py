"""`manage.py queue`: show, pause and resume the queue."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, no_translations

from webportal.inference import pauses
from webportal.inference.command_line import acting
from webportal.inference.health import lines
from webportal.records.choices import Priority

PRIORITIES = [priority.name.lower() for priority in Priority]


class Command(BaseCommand):
    """What hospital IT does under *Queue*, for scripts."""

    help = "Show, pause or resume the queue of images to be analysed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        commands = parser.add_subparsers(dest="do", required=True)
        commands.add_parser("show", help="what waits, runs and has failed, by priority")
        for name, words in (
            ("pause", "let workers take no more; they finish what they have begun"),
            ("resume", "let workers take jobs again"),
        ):
            command = commands.add_parser(name, help=words)
            command.add_argument(
                "priority", nargs="?", choices=PRIORITIES, help="default: the whole queue"
            )

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        if options["do"] != "show":
            name = options["priority"]
            priority = Priority[name.upper()] if name else None
            change = pauses.pause if options["do"] == "pause" else pauses.resume
            if not change(priority, acting()):
                self.stdout.write("That was so already.")
        self._show()

    def _show(self) -> None:
        self.stdout.write("priority    queued  oldest wait   running  in quarantine")
        for line in lines():
            words = (
                f"{line.name:<10}{line.queued:>8}{line.wait_text:>13}{line.running:>10}"
                f"{line.quarantined:>15}{'  paused' if line.is_paused else ''}"
            )
            self.stdout.write(words)
