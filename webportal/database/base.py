"""Django's backend for PostgreSQL, with limits that hold when the database itself cannot keep any.

A server that is stopped, or whose disk hangs, leaves the connection up and answers nothing: its own
statement timeout does not come, and the kernel goes on acknowledging. So the client counts, too.
Django's connection pool does not help: it limits the wait for a free connection, not for an answer,
and `tcp_user_timeout` ends only what the kernel does not acknowledge.
"""

import time
from typing import Any

import psycopg
from django.db.backends.postgresql import base

# A connection is asked whether it still answers before a request uses it; that takes no time.
CHECK_SECONDS = 5.0
# After one request has found the database silent, the others do not wait for it in turn.
SILENT_SECONDS = 5.0


class LimitedConnection(psycopg.Connection[Any]):
    """A connection that is given up when it is silent for `patience` seconds, if that is set."""

    patience: float | None = None

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait for an answer.

        Raises:
            OperationalError: none came in time; the connection is closed then.
        """
        if self.patience is None or timeout is not None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.patience)
        except psycopg.OperationalError as error:
            # An answer, be it an error, ends the statement; a broken connection has no state.
            if self.pgconn.transaction_status != psycopg.pq.TransactionStatus.ACTIVE:
                raise
            self.pgconn.finish()
            raise psycopg.OperationalError(
                f"the database has not answered for {self.patience:.0f} seconds"
            ) from error


class _Psycopg:
    """The module psycopg, but for the connections that it makes."""

    connect = staticmethod(LimitedConnection.connect)

    def __getattr__(self, name: str) -> Any:
        return getattr(psycopg, name)


class DatabaseWrapper(base.DatabaseWrapper):
    """One thread's connection; `PATIENCE_SECONDS` of the settings is None where nobody waits."""

    Database = _Psycopg()  # type: ignore[assignment]
    # Of all threads: when the database was found silent, on the clock of time.monotonic.
    _silent_since = -SILENT_SECONDS

    @property
    def _patience(self) -> float | None:
        seconds: float | None = self.settings_dict.get("PATIENCE_SECONDS")
        return seconds

    def get_new_connection(self, conn_params: dict[str, Any]) -> LimitedConnection:
        """Connect; raises OperationalError at once while the database is known to be silent."""
        if self._patience is None:
            made: LimitedConnection = super().get_new_connection(conn_params)
            return made
        if time.monotonic() - DatabaseWrapper._silent_since < SILENT_SECONDS:
            raise psycopg.OperationalError("the database did not answer a moment ago")
        try:
            made = super().get_new_connection(conn_params)
        except psycopg.errors.ConnectionTimeout:
            DatabaseWrapper._silent_since = time.monotonic()
            raise
        made.patience = self._patience
        return made

    def is_usable(self) -> bool:
        """Whether the connection answers, soon."""
        if self._patience is None or self.connection is None:
            return bool(super().is_usable())
        connection = self.connection
        connection.patience = CHECK_SECONDS
        asked_at = time.monotonic()
        answers = bool(super().is_usable())
        connection.patience = self._patience
        if not answers and time.monotonic() - asked_at >= CHECK_SECONDS:
            DatabaseWrapper._silent_since = time.monotonic()
        return answers
