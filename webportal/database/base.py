"""Django's PostgreSQL backend, with timeouts that work even if the database itself hangs.

A server that is stopped, or whose disk hangs, keeps the connection open without responding: its
statement timeout never fires, and its kernel keeps acknowledging. So the client has a timeout of
its own. Django's connection pool does not help: it limits the wait for a free connection, not for
a response, and `tcp_user_timeout` only covers data that the kernel does not acknowledge.
"""

import time
from typing import Any, ClassVar

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
    #: host and port of its server, as the settings name them
    server: tuple[str, str] = ("", "")

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
    # Shared by all threads: when a server was found unresponsive, by time.monotonic, and which one
    # was connected to last.
    _silent_since: ClassVar[dict[tuple[str, str], float]] = {}
    _last_server: ClassVar[tuple[str, str]] = ("", "")

    @property
    def _patience(self) -> float | None:
        seconds: float | None = self.settings_dict.get("PATIENCE_SECONDS")
        return seconds

    def get_new_connection(self, conn_params: dict[str, Any]) -> LimitedConnection:
        """Connect to the first server that is of use, beginning with the last that was.

        A server that is switched off costs a timeout, so not every connection should begin with it
        because the settings do. Raises OperationalError if none is, at once while all of them are
        known not to respond.
        """
        servers = _servers(conn_params)
        failures: list[psycopg.OperationalError] = []
        for server in sorted(servers, key=lambda each: each != DatabaseWrapper._last_server):
            try:
                made = self._connect(server, servers[server])
            except psycopg.OperationalError as error:
                failures.append(error)
                continue
            DatabaseWrapper._last_server = server
            return made
        if len(failures) == 1:
            raise failures[0]
        raise psycopg.OperationalError("; ".join(str(error) for error in failures))

    def _connect(self, server: tuple[str, str], conn_params: dict[str, Any]) -> LimitedConnection:
        silent_since = self._silent_since.get(server, -SILENT_SECONDS)
        if self._patience is not None and time.monotonic() - silent_since < SILENT_SECONDS:
            raise psycopg.OperationalError("the database did not answer a moment ago")
        try:
            made: LimitedConnection = super().get_new_connection(conn_params)
        except psycopg.errors.ConnectionTimeout:
            self._silent_since[server] = time.monotonic()
            raise
        made.server, made.patience = server, self._patience
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
        if self.connection is None:
            return False
        connection = self.connection
        connection.patience = CHECK_SECONDS
        asked_at = time.monotonic()
        answers = bool(super().is_usable())
        connection.patience = self._patience
        if not answers and time.monotonic() - asked_at >= CHECK_SECONDS:
            self._silent_since[connection.server] = time.monotonic()
        return answers


def _servers(conn_params: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """The parameters for each of the servers that are named, by host and port, in their order."""
    hosts = str(conn_params.get("host", "")).split(",")
    ports = str(conn_params.get("port", "")).split(",")
    if len(ports) == 1:
        ports *= len(hosts)
    if len(hosts) == 1 or len(ports) != len(hosts) or "hostaddr" in conn_params:
        return {("", ""): conn_params}
    return {
        (host, port): conn_params | {"host": host, "port": port}
        for host, port in zip(hosts, ports, strict=True)
    }
