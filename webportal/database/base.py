"""Django's PostgreSQL backend, with timeouts that work even if the database itself hangs.

A server that is stopped, or whose disk hangs, keeps the connection open without responding: its
statement timeout never fires, and its kernel keeps acknowledging. So the client has a timeout of
its own. Django's connection pool does not help: it limits the wait for a free connection, not for
a response, and `tcp_user_timeout` only covers data that the kernel does not acknowledge.
"""

import time
from typing import Any

import psycopg
from django.db.backends.postgresql import base

# How long a connection may take to respond to the check before a request uses it.
CHECK_SECONDS = 5.0
# After one request has found the database unresponsive, others do not wait for it in turn.
SILENT_SECONDS = 5.0


_KEEPALIVES = """
SELECT set_config('tcp_keepalives_idle', '10', false),
    set_config('tcp_keepalives_interval', '5', false),
    set_config('tcp_keepalives_count', '3', false)
"""


class LimitedConnection(psycopg.Connection[Any]):
    """A connection that is closed after `patience` seconds without a response, if that is set."""

    patience: float | None = None

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait for a response.

        Raises:
            OperationalError: there was none in time; the connection is then closed.
        """
        if self.patience is None or timeout is not None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.patience)
        except psycopg.OperationalError as error:
            # A response, even an error, ends the statement; a broken connection has no state.
            if self.pgconn.transaction_status != psycopg.pq.TransactionStatus.ACTIVE:
                raise
            self.pgconn.finish()
            raise psycopg.OperationalError(
                f"the database has not answered for {self.patience:.0f} seconds"
            ) from error


class _Psycopg:
    """The module psycopg, except that `connect` creates a LimitedConnection."""

    connect = staticmethod(LimitedConnection.connect)

    def __getattr__(self, name: str) -> Any:
        return getattr(psycopg, name)


class DatabaseWrapper(base.DatabaseWrapper):
    """One thread's connection; the setting `PATIENCE_SECONDS` is None where nobody is waiting."""

    Database = _Psycopg()  # type: ignore[assignment]
    # Shared by all threads: when the database was found unresponsive, by time.monotonic.
    _silent_since = -SILENT_SECONDS

    @property
    def _patience(self) -> float | None:
        seconds: float | None = self.settings_dict.get("PATIENCE_SECONDS")
        return seconds

    def get_new_connection(self, conn_params: dict[str, Any]) -> LimitedConnection:
        """Connect; raises OperationalError at once while the database is known not to respond."""
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

    def init_connection_state(self) -> None:
        """Let the server, too, notice soon that a client's machine is gone.

        Until then it holds the client's locks, among them that of the scheduler, by default for two
        hours. Session settings, because a connection pooler may reject start-up parameters.
        """
        super().init_connection_state()
        with self.connection.cursor() as cursor:
            cursor.execute(_KEEPALIVES)

    def is_usable(self) -> bool:
        """Whether the connection responds promptly."""
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
