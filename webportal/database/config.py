"""The entry of DATABASES for the portal's PostgreSQL database."""

from typing import Any

import psycopg
from django.core.exceptions import ImproperlyConfigured
from psycopg.conninfo import conninfo_to_dict

_SCHEMES = ("postgresql://", "postgres://")

# A database host that is switched off refuses nothing; without a limit each request would hang.
# One that is cut off in the middle of an answer is noticed as soon, and not after hours.
OPTIONS = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
    # Of several servers only the primary is of use. A standby would answer every write with an
    # error that looks like one of ours.
    "target_session_attrs": "read-write",
}


def database_from_url(url: str, statement_seconds: int) -> dict[str, Any]:
    """The entry for a DATABASE_URL, with backend, health checks and timeouts.

    The URL is read by libpq, as pg_dump and the others do, so it may name several hosts. Options in
    it take precedence. A statement is given up after `statement_seconds`, 0 for never. Raises
    ImproperlyConfigured if the URL is not one of PostgreSQL.
    """
    if not url.startswith(_SCHEMES):
        raise ImproperlyConfigured("DATABASE_URL must name a PostgreSQL database.")
    try:
        parts: dict[str, Any] = dict(conninfo_to_dict(url))
    except psycopg.ProgrammingError:
        # What libpq says may contain a part of the password.
        raise ImproperlyConfigured(
            "DATABASE_URL cannot be read. Characters such as %, /, @ and : in a password must be"
            " percent-encoded, and options must be those of libpq."
        ) from None
    config = {
        "ENGINE": "webportal.database",
        "NAME": parts.pop("dbname", ""),
        "USER": parts.pop("user", ""),
        "PASSWORD": parts.pop("password", ""),
        "HOST": parts.pop("host", ""),
        "PORT": parts.pop("port", ""),
        # A database that was stopped and started again must not cost a request or a batch.
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": (options := OPTIONS | parts),
    }
    if statement_seconds:
        options.setdefault("options", f"-c statement_timeout={statement_seconds}s")
        # A database that hangs cannot even do that; then the client gives up.
        config["PATIENCE_SECONDS"] = statement_seconds + 5
    return config
