"""`manage.py compute_drift`: compute drift for missing weeks; started by the scheduler."""

from typing import Any

from django.core.management.base import BaseCommand

from webportal.oversight.drift import weeks


class Command(BaseCommand):
    """Compute the missing weeks, and exit."""

    help = "Compute drift for the completed weeks of the active model version."
    # As for the receivers: `migrate` has run them.
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        weeks.compute_due()
