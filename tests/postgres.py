"""The PostgreSQL server of the tests."""

from pathlib import Path

from deploy.local.services import ROLE, Postgres


class PostgresOfTests(Postgres):
    """One that would lose data in a power cut, and whose owner may act past the triggers."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir, durable=False)

    def roles(self) -> tuple[str, ...]:
        """The same, and what `tests.flushing` needs."""
        allowed = f"GRANT SET ON PARAMETER session_replication_role TO {ROLE}"
        return (*super().roles(), allowed)
