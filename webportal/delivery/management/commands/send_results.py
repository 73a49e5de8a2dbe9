"""`manage.py send_results`: the process that sends results to destinations."""

from typing import Any

from django.core.management.base import BaseCommand

from webportal.delivery import running
from webportal.stopping import on_signal


class Command(BaseCommand):
    """Send until SIGTERM, Ctrl-C, or no destination is left; started by the scheduler."""

    help = "Send signed reads and results to the destinations, as long as there are destinations."
    # As for the receivers: `migrate` has run them.
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        stopping = on_signal()
        running.run(stopping)
