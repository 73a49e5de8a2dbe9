"""The entry of DATABASES for the portal's PostgreSQL database."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured

# A database host that is switched off refuses nothing; without a limit each request would hang.
# One that is cut off in the middle of an answer is noticed as soon, and not after hours.
TIMEOUTS = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}


def database_from_config(config: dict[str, Any], statement_seconds: int) -> dict[str, Any]:
    """Add backend, health checks and timeouts to the parsed DATABASE_URL.

    Options in the URL take precedence. A statement is given up after `statement_seconds`, 0 for
    never. Raises ImproperlyConfigured if the URL is not one of PostgreSQL.
    """
    if config["ENGINE"] != "django.db.backends.postgresql":
        raise ImproperlyConfigured("DATABASE_URL must name a PostgreSQL database.")
    options = TIMEOUTS | config.get("OPTIONS", {})
    # A database that was stopped and started again must not cost a request or a batch.
    kept_alive = {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}
    config = config | {"ENGINE": "webportal.database", "OPTIONS": options, **kept_alive}
    if statement_seconds:
        options.setdefault("options", f"-c statement_timeout={statement_seconds}s")
        # A database that hangs cannot even do that; then the client gives up.
        config["PATIENCE_SECONDS"] = statement_seconds + 5
    return config
