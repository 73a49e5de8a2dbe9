"""`manage.py make_research_exports`: create waiting exports; started by the scheduler."""

from typing import Any

from django.core.management.base import BaseCommand

from webportal.research import building


class Command(BaseCommand):
    """Create the waiting exports, and exit."""

    help = "Create the waiting research exports."
    # As for the receivers: `migrate` has run them.
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        building.make_waiting()
