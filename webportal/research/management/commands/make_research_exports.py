"""`manage.py make_research_exports`: makes the exports that wait; started by the scheduler."""

from typing import Any

from django.core.management.base import BaseCommand

from webportal.research import building


class Command(BaseCommand):
    """Make what waits, and end."""

    help = "Make the exports for research that wait."
    # As for the receivers: `migrate` has run them.
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        building.make_waiting()
