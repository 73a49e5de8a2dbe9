"""`manage.py workers`: list, drain, resume and stop workers."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError, no_translations

from webportal.inference import fleet
from webportal.inference.command_line import acting
from webportal.inference.health import recent_workers
from webportal.inference.models import Worker

_CHANGES = {"drain": fleet.drain, "resume": fleet.resume, "stop": fleet.stop}


class Command(BaseCommand):
    """What hospital IT does with workers under *Queue*, for scripts."""

    help = "List the workers; drain, resume or stop one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        commands = parser.add_subparsers(dest="do", required=True)
        commands.add_parser("list", help="workers seen within the last day")
        for name, words in (
            ("drain", "let it finish its jobs and take no more"),
            ("resume", "let it take jobs again"),
            ("stop", "let it finish its jobs and exit"),
        ):
            commands.add_parser(name, help=words).add_argument("worker", help="as listed")

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        if options["do"] != "list":
            worker = Worker.objects.filter(pk=options["worker"]).first()
            if worker is None:
                raise CommandError(f"There is no worker {options['worker']}.")
            try:
                _CHANGES[options["do"]](worker, acting())
            except fleet.NotRunningError as error:
                raise CommandError(str(error)) from error
        for each in recent_workers():
            self.stdout.write(
                f"{each.name}  {each.state}  {each.device or '-'}  {each.model_version or '-'}"
                f"  last seen {each.last_seen_at:%Y-%m-%d %H:%M:%S}Z"
            )
