"""Whether the database has every migration of this release."""

from collections.abc import Iterator
from importlib.util import find_spec
from pkgutil import iter_modules

from django.apps import apps
from django.conf import settings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder


def missing_migrations() -> set[tuple[str, str]]:
    """App and name of each migration that is not recorded as applied. Raises DatabaseError.

    By the names of their files: Django's loader imports them all, which takes half a second and
    4 MB of every process. `migrate` records a squashed migration beside those that it replaces.
    """
    recorded = MigrationRecorder(connection).applied_migrations()
    return set(_on_disk()) - recorded.keys()


def _on_disk() -> Iterator[tuple[str, str]]:
    for app in apps.get_app_configs():
        package = settings.MIGRATION_MODULES.get(app.label, f"{app.name}.migrations")
        found = find_spec(package) if package else None
        if found is None:
            continue
        for module in iter_modules(found.submodule_search_locations):
            if not module.ispkg and not module.name.startswith("_"):
                yield app.label, module.name
