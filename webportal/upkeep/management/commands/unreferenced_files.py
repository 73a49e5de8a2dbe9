"""List the stored files that no record names."""

from typing import Any

from django.core.management.base import BaseCommand

from webportal.upkeep.slices import SLICES
from webportal.upkeep.unreferenced import unreferenced


class Command(BaseCommand):
    """List what the scheduler would move to the trash, one storage key per line."""

    help = "List the stored files older than a day that no record references."

    def handle(self, *args: Any, **options: Any) -> None:
        for number in range(SLICES):
            for key in unreferenced(number):
                self.stdout.write(key)
