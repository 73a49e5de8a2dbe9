"""pg_dump connects as the portal does, and shows no secret to whoever lists processes."""

from collections.abc import Iterator

import pytest
from django.db import connection

from webportal.backups import database

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def _options(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Options that a hospital may have in its DATABASE_URL."""
    options = {
        "channel_binding": "disable",
        "application_name": "nightly",
        "sslpassword": "of-the-key",
    }
    monkeypatch.setitem(
        connection.settings_dict, "OPTIONS", connection.settings_dict["OPTIONS"] | options
    )
    connection.close()
    yield
    connection.close()


@pytest.mark.usefixtures("_options")
def test_a_dump_has_the_options_of_the_url_and_shows_no_secret() -> None:
    password = connection.settings_dict["PASSWORD"]
    with database.snapshot() as snapshot, database.dumping(snapshot) as process:
        shown = str(process.args)
        assert process.stdout is not None
        assert process.stdout.read()
        database.check_ended("pg_dump", process)
    assert "channel_binding=disable" in shown
    assert "application_name=nightly" in shown
    assert password
    assert password not in shown
    assert "of-the-key" not in shown
