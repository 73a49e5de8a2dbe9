"""The migrations before they were squashed, by which older databases are upgraded."""

from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import StateApps

from tests.upgrade.previous import MIGRATIONS

Node = tuple[str, str]


def migrate_originals(*targets: Node) -> StateApps:
    """Migrate to the targets, from the newest or by the originals; return the apps of then."""
    newest = MigrationExecutor(connection)
    nodes = newest.loader.graph.nodes
    squashed = [node for node, migration in nodes.items() if migration.replaces]
    newest.migrate(squashed)
    for node in squashed:
        newest.recorder.record_unapplied(*node)
    executor = _original_executor()
    executor.migrate(list(targets))
    # What `migrate` returns goes by its order, which may leave one of the targets out.
    return executor.loader.project_state(list(targets)).apps


def upgrade_step_by_step() -> None:
    """Migrate an empty database by the originals to the previous release, then to this one."""
    _original_executor().migrate(MIGRATIONS)
    call_command("migrate", verbosity=0)


def _original_executor() -> MigrationExecutor:
    executor = MigrationExecutor(connection)
    executor.loader = _OriginalLoader(connection)
    return executor


class _OriginalLoader(MigrationLoader):
    def load_disk(self) -> None:
        super().load_disk()
        every = self.disk_migrations.items()
        self.disk_migrations = {node: each for node, each in every if not each.replaces}
