"""The health endpoints report accurately what works, to everyone, and leak nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from pytest_django.fixtures import Settings

from tests.helpers import make_read_only
from webportal.operations import health_views
from webportal.version import VERSION


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    health_views._require_migrations.cache_clear()


def test_live_checks_only_the_process(client: Client) -> None:
    # No database fixture: a query would fail the test.
    response = client.get("/health/live")
    assert response.status_code == 200
    assert response.json() == {"status": "live", "version": VERSION}


@pytest.mark.django_db
def test_ready_when_everything_responds(client: Client) -> None:
    response = client.get("/health/ready")
    assert response.status_code == 200
    assert response.json() == {
        "status": "ready",
        "version": VERSION,
        "checks": dict.fromkeys(("database", "migrations", "storage", "uploads", "broker"), "ok"),
    }


@pytest.mark.django_db
def test_a_missing_broker_is_reported_but_harmless(client: Client, settings: Settings) -> None:
    settings.BROKER_URL = "redis://127.0.0.1:1/0"
    response = client.get("/health/ready")
    assert response.status_code == 200
    assert response.json()["status"] == "degraded"
    assert response.json()["checks"]["broker"] == "failing"


@pytest.mark.django_db
def test_degraded_while_the_storage_is_read_only(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_read_only(monkeypatch)
    response = client.get("/health/ready")
    assert response.status_code == 200
    assert response.json()["status"] == "degraded"
    assert response.json()["checks"] | {"broker": "ok"} == {
        "database": "ok",
        "migrations": "ok",
        "storage": "ok",
        "uploads": "failing",
        "broker": "ok",
    }


@pytest.mark.django_db
def test_not_ready_while_a_migration_is_missing(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'review' AND name LIKE '0002%'")
    response = client.get("/health/ready")
    assert response.status_code == 503
    assert response.json()["checks"]["migrations"] == "failing"


@pytest.mark.django_db
def test_not_ready_without_storage(client: Client, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    settings.STORAGES = settings.STORAGES | {
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path / "file" / "storage")},
        }
    }
    response = client.get("/health/ready")
    assert response.status_code == 503
    assert response.json()["checks"]["storage"] == "failing"


def test_not_ready_and_no_traceback_without_a_database() -> None:
    ask = """
import django
django.setup()
from django.conf import settings
from django.test import Client
client = Client(SERVER_NAME="localhost", raise_request_exception=False)
client.cookies[settings.SESSION_COOKIE_NAME] = "of-someone-signed-in"
ready = client.get("/health/ready")
print(client.get("/health/live").status_code, ready.status_code)
print(ready.json()["checks"]["database"])
"""
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "webportal.settings",
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    }
    answer = subprocess.run(
        [sys.executable, "-c", ask], env=environment, capture_output=True, text=True, check=True
    )
    assert answer.stdout.split() == ["200", "503", "failing"]
