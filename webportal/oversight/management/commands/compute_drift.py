"""`manage.py compute_drift`: computes the weeks that are missing; started by the scheduler."""

from typing import Any

from django.core.management.base import BaseCommand

from webportal.oversight.drift import weeks


class Command(BaseCommand):
    """Compute what is due, and end."""

    help = "Compute the weeks of the active model version that are over."
    # As for the receivers: `migrate` has run them.
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        weeks.compute_due()
