"""A portal with a repository for its backups, and an empty one to restore them into."""

import hashlib
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from django.conf import settings as django_settings
from psycopg.rows import dict_row
from pytest_django.fixtures import Settings

from tests import services
from tests.conftest import PASSWORD
from tests.intake.conftest import batch, send, storage_folder
from webportal.accounts import services as accounts
from webportal.accounts.models import Role, User
from webportal.backups import encryption
from webportal.storage import storage_from_url

__all__ = ["batch", "send", "storage_folder"]


@pytest.fixture
def make_user(db: None) -> Callable[..., User]:
    """Make people as the portal does, so that the trail knows of them."""

    def make(*roles: Role, username: str = "") -> User:
        name = username or "-".join(roles)
        user, _ = accounts.create_user(name, name, list(roles), None)
        user.must_change_password = False
        user.set_password(PASSWORD)
        user.save()
        return user

    return make


@pytest.fixture(autouse=True)
def inbox_folder(tmp_path: Path, settings: Settings) -> Path:
    settings.DICOM_INBOX = tmp_path / "inbox"
    return tmp_path / "inbox"


@pytest.fixture
def identity_file(tmp_path: Path, settings: Settings) -> Path:
    """The secret key, which the portal itself does not know."""
    secret, public = encryption.new_identity()
    settings.BACKUP_RECIPIENTS = [public]
    file = tmp_path / "identity"
    file.write_text(f"# public key: {public}\n{secret}\n")
    return file


@pytest.fixture
def repository_folder(tmp_path: Path, settings: Settings, identity_file: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    use_repository(folder, settings)
    return folder


def use_repository(folder: Path, settings: Settings) -> None:
    settings.BACKUP_REPOSITORY = f"file://{folder}"
    settings.STORAGES = settings.STORAGES | {"backups": storage_from_url(f"file://{folder}")}


@dataclass
class Other:
    """A second installation: a database, a storage and an anchor file of its own."""

    folder: Path
    owner_url: str
    environment: dict[str, str]

    @property
    def storage(self) -> Path:
        return self.folder / "storage"

    def manage(self, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=django_settings.BASE_DIR,
            env=os.environ | self.environment | more,
            capture_output=True,
            text=True,
            check=False,
        )

    def rows(self, table: str, order: str = "id") -> list[dict[str, Any]]:
        return rows(self.owner_url, table, order)


@pytest.fixture
def other(
    tmp_path: Path, repository_folder: Path, identity_file: Path, settings: Settings
) -> Iterator[Other]:
    name = f"other_{uuid.uuid4().hex[:12]}"
    folder = tmp_path / "other"
    in_it = {"path": f"/{name}"}
    owner_url = urlsplit(services.postgres.url)._replace(**in_it).geturl()
    runtime_url = urlsplit(services.postgres.runtime_url)._replace(**in_it).geturl()
    environment = {
        "DATABASE_URL": runtime_url,
        "DATABASE_OWNER_URL": owner_url,
        "STORAGE_URL": f"file://{folder}/storage",
        "AUDIT_ANCHOR_FILE": str(folder / "anchors"),
        "DICOM_INBOX": str(folder / "inbox"),
        "BACKUP_REPOSITORY": f"file://{repository_folder}",
        "BACKUP_RECIPIENTS": settings.BACKUP_RECIPIENTS[0],
        "BACKUP_IDENTITY_FILE": str(identity_file),
    }
    with psycopg.connect(services.postgres.url, autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}"')
        yield Other(folder, owner_url, environment)
        server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def rows(url: str, table: str, order: str = "id") -> list[dict[str, Any]]:
    """All rows of a table."""
    with psycopg.connect(url, row_factory=dict_row) as connected:
        return connected.execute(f"SELECT * FROM {table} ORDER BY {order}").fetchall()


def hashes(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file under a folder, by its path there.

    Without what is handed to workers, which is in no backup.
    """
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in found.items()
        if not name.startswith("inputs/")
    }
