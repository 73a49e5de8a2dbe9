"""DATABASE_URL, which may name a primary and its standby."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection

from webportal.database.base import DatabaseWrapper
from webportal.database.config import OPTIONS, address_of, database_from_url
from webportal.database.roles import role_of

pytestmark = pytest.mark.django_db


def test_a_url_may_name_several_servers() -> None:
    url = "postgresql://app:p%40ss%2C@one:5433,two/chestline?sslmode=verify-full&connect_timeout=2"
    config = database_from_url(url, 30)
    assert (config["HOST"], config["PORT"]) == ("one,two", "5433,")
    assert (config["USER"], config["PASSWORD"], config["NAME"]) == ("app", "p@ss,", "chestline")
    assert config["OPTIONS"] == OPTIONS | {
        "sslmode": "verify-full",
        "connect_timeout": "2",
        "options": "-c statement_timeout=30s",
    }
    assert config["OPTIONS"]["target_session_attrs"] == "read-write"


def test_sockets_may_be_named_too() -> None:
    config = database_from_url("postgresql://app:secret@/chestline?host=%2Fone,%2Fa@two", 0)
    assert config["HOST"] == "/one,/a@two"


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///chestline",
        "host=one dbname=chestline",
        "postgresql://app:99%pass@one/chestline",
        "postgresql://app:pass@one/chestline?sslmood=require",
        # Read as the server "pass@one", and as the server "app" with the port "99pass".
        "postgresql://app:99@pass@one/chestline",
        "postgresql://app:99pass/pass@one/chestline",
    ],
)
def test_an_invalid_postgresql_url_is_refused_without_printing_its_password(url: str) -> None:
    for setting in ("DATABASE_URL", "DATABASE_OWNER_URL"):
        with pytest.raises(ImproperlyConfigured) as refused:
            address_of(url, setting)
        assert setting in str(refused.value)
        assert "pass@" not in str(refused.value)
    with pytest.raises(ImproperlyConfigured):
        database_from_url(url, 0)


def test_an_owner_that_cannot_be_read_is_refused_without_its_password() -> None:
    settings = {"DATABASE_OWNER_URL": "postgresql://app:99%pass@one/chestline"}
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=django_settings.BASE_DIR,
        env=os.environ | settings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "DATABASE_OWNER_URL cannot be read" in done.stderr
    assert "pass@" not in done.stderr


def test_the_role_is_the_one_that_connects() -> None:
    for url in ("postgresql://one:p#s@db/x?user=two", "postgresql:///x?user=two&host=/run"):
        assert role_of(url) == "two"


@pytest.fixture(autouse=True)
def _nothing_known_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has just started."""
    monkeypatch.setattr(DatabaseWrapper, "_last_server", ("", ""))
    monkeypatch.setattr(DatabaseWrapper, "_silent_since", {})


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes connections and never says anything, as a frozen server does."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def wrapper(**changes: Any) -> DatabaseWrapper:
    return DatabaseWrapper(connection.settings_dict | changes, alias=connection.alias)


def seconds_to_connect(settings: dict[str, Any]) -> float:
    other = wrapper(**settings)
    started = time.monotonic()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT 1")
    finally:
        other.close()
    return time.monotonic() - started


@pytest.mark.parametrize("patience", [None, 30])
def test_a_server_that_is_silent_delays_one_connection_only(
    silent: int, patience: int | None
) -> None:
    real = connection.settings_dict
    settings = {
        "HOST": f"127.0.0.1,{real['HOST']}",
        "PORT": f"{silent},{real['PORT']}",
        "OPTIONS": real["OPTIONS"] | {"connect_timeout": 2},
        "PATIENCE_SECONDS": patience,
    }
    assert seconds_to_connect(settings) >= 2
    assert seconds_to_connect(settings) < 1
    assert seconds_to_connect(settings) < 1


def test_where_no_server_is_of_use_the_error_has_the_reason_of_each() -> None:
    real = connection.settings_dict
    settings = {
        "HOST": f"127.0.0.1,{real['HOST']}",
        "PORT": f"1,{real['PORT']}",
        "OPTIONS": real["OPTIONS"] | {"options": "-c default_transaction_read_only=on"},
    }
    with pytest.raises(DatabaseError, match=r"(?s)refused.*read-only"):
        seconds_to_connect(settings)


def test_a_server_that_cannot_be_written_to_is_not_used() -> None:
    read_only = {"options": "-c default_transaction_read_only=on"}
    with pytest.raises(DatabaseError, match="read-only"):
        seconds_to_connect({"OPTIONS": connection.settings_dict["OPTIONS"] | read_only})
