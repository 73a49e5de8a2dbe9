"""`manage.py register_model`: make a model package known to the portal."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ml.serving.package import SHIPPED_PACKAGE, PackageError, load_package
from webportal.inference.registry import RegistryError, activate, register


class Command(BaseCommand):
    """Verify and register a package; it becomes active if no other version is."""

    help = "Register a model package. Every worker needs the same folder at the same path."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "package", nargs="?", type=Path, default=SHIPPED_PACKAGE, help="default: as shipped"
        )
        parser.add_argument("--activate", action="store_true", help="make it the active version")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            model, is_new = register(load_package(options["package"]), by=None)
        except (PackageError, RegistryError) as error:
            raise CommandError(str(error)) from error
        if options["activate"]:
            activate(model, by=None)
        if is_new:
            self.stdout.write(f"Registered the model {model.version}.")
