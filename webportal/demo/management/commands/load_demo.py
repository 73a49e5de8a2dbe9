"""`manage.py load_demo`: studies of fictitious patients with drawn images."""

from typing import Any

from django.core.management.base import BaseCommand

from webportal.demo import demonstration


class Command(BaseCommand):
    """Load the phantoms that are missing; safe to repeat."""

    help = "Load phantom studies of fictitious patients, marked as such."

    def handle(self, *args: Any, **options: Any) -> None:
        for file_name, verdict in demonstration.load():
            self.stdout.write(f"{file_name}: {verdict}")
        self.stdout.write("The phantoms are on the worklist; their results follow in a moment.")
