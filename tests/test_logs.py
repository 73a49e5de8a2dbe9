"""Logs contain what is needed to find a fault, one line per refusal, and no names."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from io import StringIO

import pytest
from django.conf import settings
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone
from django.utils.log import configure_logging

from deploy.local.system import ROOT
from tests.factories import make_patient
from webportal import logs
from webportal.accounts.models import User
from webportal.api import studies

pytestmark = pytest.mark.django_db
NAME = "Secret-Sophie"


@pytest.fixture
def written() -> Iterator[StringIO]:
    """What the portal's own handler writes."""
    with writing("text") as stream:
        yield stream


@pytest.fixture
def written_as_json() -> Iterator[StringIO]:
    """The same with LOG_FORMAT=json."""
    with writing("json") as stream:
        yield stream


@contextmanager
def writing(log_format: str) -> Iterator[StringIO]:
    stream = StringIO()
    configure_logging(settings.LOGGING_CONFIG, logs.logging_config(log_format))
    (handler,) = [each for each in logging.root.handlers if each.get_name() == "stderr"]
    assert isinstance(handler, logging.StreamHandler)
    before = handler.setStream(stream)
    yield stream
    handler.setStream(before)
    configure_logging(settings.LOGGING_CONFIG, settings.LOGGING)


def test_a_refusal_is_one_line_and_names_no_path(
    written: StringIO, uploader: User, sign_in: Callable[[User], Client]
) -> None:
    browser = sign_in(uploader)
    assert browser.get("/users").status_code == 403
    (line,) = written.getvalue().splitlines()
    assert line.endswith("403 GET /users")


@pytest.mark.parametrize(
    ("address", "said"),
    [
        (f"/patients/{NAME}", "404 GET an address that does not exist"),
        (f"/operations/workers/{NAME}/drain", "403 POST /operations/workers/<str:name>/drain"),
        (f"/worklist/search?x={NAME}", "403 POST /worklist/search"),
        (f"/api/v1/workers/{NAME}", "403 GET /api/v1/workers/<str:name>"),
    ],
)
def test_text_typed_into_a_url_is_not_logged(
    written: StringIO,
    uploader: User,
    sign_in: Callable[[User], Client],
    address: str,
    said: str,
) -> None:
    sign_in(uploader).generic(said.split()[1], address)
    (line,) = written.getvalue().splitlines()
    assert line.endswith(said)
    assert NAME not in line


def test_one_client_cannot_fill_the_log(written: StringIO) -> None:
    for _ in range(2 * logs.LINES_A_MINUTE + 5):
        Client().get("/nothing", REMOTE_ADDR="192.0.2.1")
    Client().get("/nothing", REMOTE_ADDR="192.0.2.2")
    # Two minutes where the clock strikes meanwhile.
    lines = len(written.getvalue().splitlines())
    assert logs.LINES_A_MINUTE + 1 <= lines <= 2 * logs.LINES_A_MINUTE + 1


def test_an_internal_error_is_logged_with_traceback_and_url_pattern(
    written: StringIO,
    radiologist: User,
    sign_in: Callable[[User], Client],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*args: object) -> None:
        raise RuntimeError("Something is broken")

    monkeypatch.setattr(studies, "progress_of", broken)
    client = sign_in(radiologist)
    client.raise_request_exception = False
    assert client.get("/api/v1/studies").status_code == 500
    assert "500 GET /api/v1/studies" in written.getvalue()
    assert "RuntimeError: Something is broken" in written.getvalue()


def test_a_row_rejected_by_the_database_is_not_logged(written: StringIO) -> None:
    patient = make_patient(patient_id=NAME)
    try:
        with transaction.atomic():
            make_patient(patient_id=NAME, issuer=patient.issuer)
    except IntegrityError:
        logging.getLogger("webportal").exception("It failed")
    assert "IntegrityError" in written.getvalue()
    assert NAME not in written.getvalue()


def test_a_refusal_is_one_json_object_and_names_no_path(
    written_as_json: StringIO, uploader: User, sign_in: Callable[[User], Client]
) -> None:
    sign_in(uploader).get(f"/patients/{NAME}")
    (line,) = written_as_json.getvalue().splitlines()
    record = json.loads(line)
    age = timezone.now() - datetime.fromisoformat(record.pop("time"))
    assert timedelta(0) <= age < timedelta(minutes=5)
    assert record == {
        "level": "WARNING",
        "logger": "django.request",
        "message": "404 GET an address that does not exist",
    }


def test_a_traceback_is_part_of_the_json_object_without_what_the_database_quotes(
    written_as_json: StringIO,
) -> None:
    patient = make_patient(patient_id=NAME)
    try:
        with transaction.atomic():
            make_patient(patient_id=NAME, issuer=patient.issuer)
    except IntegrityError:
        logging.getLogger("webportal").exception("It\nfailed")
    (line,) = written_as_json.getvalue().splitlines()
    record = json.loads(line)
    assert record["message"] == "It\nfailed"
    assert "IntegrityError" in record["traceback"]
    assert NAME not in line


# The scheduler's application is that of the workers, which leaves logging to Django.
@pytest.mark.parametrize(
    "started", ["import webportal.wsgi", "from scheduler.app import app; app.log.setup()"]
)
def test_every_process_follows_the_setting(started: str) -> None:
    says = 'import logging; logging.getLogger("said").warning("That is %s", "all")'
    done = in_a_process(f"{started}; {says}", "json")
    (line,) = done.stderr.splitlines()
    assert json.loads(line).keys() == {"time", "level", "logger", "message"}
    assert json.loads(line)["message"] == "That is all"


def test_another_format_is_refused() -> None:
    done = in_a_process("import webportal.wsgi", "xml")
    assert done.returncode == 1
    assert "LOG_FORMAT must be text or json." in done.stderr


def in_a_process(code: str, log_format: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "SECRET_KEY": "of the tests",
        "AUDIT_KEY": "of the tests",
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "BROKER_URL": "redis://127.0.0.1:1/0",
        "DJANGO_SETTINGS_MODULE": "webportal.settings",
        "LOG_FORMAT": log_format,
    }
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
