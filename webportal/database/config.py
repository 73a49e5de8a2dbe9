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


def address_of(url: str, setting: str = "DATABASE_URL") -> dict[str, Any]:
    """What a URL says, by the keywords of libpq, which reads it as it does for pg_dump.

    Raises ImproperlyConfigured, which quotes nothing of the URL, if it is not one of PostgreSQL or
    has a password that libpq would take for a part of the address.
    """
    if not url.startswith(_SCHEMES):
        raise ImproperlyConfigured(f"{setting} must name a PostgreSQL database.")
    unreadable = ImproperlyConfigured(
        f"{setting} cannot be read. Characters such as %, /, @ and : in a password must be"
        " percent-encoded, and options must be those of libpq."
    )
    try:
        parts: dict[str, Any] = dict(conninfo_to_dict(url))
    except psycopg.ProgrammingError:
        # What libpq says may contain a part of the password.
        raise unreadable from None
    # Behind an @ or a / in a password libpq sees an address, which later errors would quote.
    hosts, ports = (str(parts.get(name, "")).split(",") for name in ("host", "port"))
    if any("@" in host and not host.startswith("/") for host in hosts):
        raise unreadable
    if not all(port.isdecimal() for port in filter(None, ports)):
        raise unreadable
    return parts


def database_from_url(url: str, statement_seconds: int) -> dict[str, Any]:
    """The entry for a DATABASE_URL, with backend, health checks and timeouts.

    The URL is read by libpq, as pg_dump and the others do, so it may name several hosts. Options in
    it take precedence. A statement is given up after `statement_seconds`, 0 for never. Raises
    ImproperlyConfigured as `address_of` does.
    """
    parts = address_of(url)
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
