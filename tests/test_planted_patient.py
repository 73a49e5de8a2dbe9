"""A patient whose name occurs nowhere else goes through the system, and is then searched for.

Portal and worker are processes of their own, with their logs, the broker and a folder of temporary
files under observation.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import redis
from django.utils import timezone

from ml.images.dicom import IDENTIFYING
from tests import services as test_services
from tests.dicom_files import dicom, phantom
from tests.notifications.test_mail import Mailbox
from tests.notifications.test_mail import mailbox as mailbox
from tests.server.conftest import TOKEN, Server, cookie_of
from tests.server.conftest import start_server as start_server
from tests.tracing.collector import Collector
from tests.tracing.collector import collecting as collecting
from tests.workers.conftest import CeleryProcess, wait_until_finished
from tests.workers.conftest import _empty_broker as _empty_broker
from tests.workers.conftest import model as model
from tests.workers.conftest import start as start
from webportal.accounts.models import User
from webportal.inference.models import Job, ModelVersion
from webportal.intake.batches.services import create_batch
from webportal.intake.models import UploadItem, Verdict
from webportal.notifications import run
from webportal.notifications.mail import deliver
from webportal.notifications.models import NotificationKind
from webportal.notifications.services import choose
from webportal.records.models import Study

NAME, OTHER_NAME = "Qwyxplanted^Zora", "Qwyxplanted^Otto"
ID, ISSUER = "QWYX-7731", "QWYXTOWN"
ACCESSION, INDICATION = "QWYXACC-55", "Qwyxcough"
#: All that is planted contains it.
MARK = "qwyx"


class Portal:
    """The running portal, and every header that it has sent."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.headers = ""

    def ask(self, method: str, path: str, by: User | None, body: bytes = b"", **more: str) -> str:
        """Send a request, and return the body of the answer."""
        headers = {each.replace("_", "-"): value for each, value in more.items()}
        headers |= {"X-CSRFToken": TOKEN, "Cookie": cookie_of(by) if by else f"csrftoken={TOKEN}"}
        with closing(HTTPConnection("127.0.0.1", self.server.port, timeout=120)) as asked:
            asked.request(method, path, body, headers)
            answer = asked.getresponse()
            self.headers += f"{answer.status} {answer.reason}\n{answer.headers}"
            return answer.read().decode(errors="replace")


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder in which the processes keep temporary files."""
    folder = tmp_path / "t"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.fixture
def told_to_the_broker() -> Iterator[list[str]]:
    """Every command that the broker gets."""
    commands: list[str] = []
    with redis.Redis.from_url(test_services.valkey.url) as client, client.monitor() as monitor:

        def listen() -> None:
            # Ends with its connection.
            try:
                commands.extend(each["command"] for each in monitor.listen())
            except (redis.RedisError, OSError, ValueError):
                return

        threading.Thread(target=listen, daemon=True).start()
        yield commands


def test_a_planted_patient_is_nowhere_but_in_records_and_pages(
    temporary: Path,
    collecting: Collector,
    told_to_the_broker: list[str],
    start_server: Callable[..., Server],
    start: Callable[..., CeleryProcess],
    model: ModelVersion,
    mailbox: Mailbox,
    uploader: User,
    radiologist: User,
    it_person: User,
) -> None:
    choose(uploader, "uploader@hospital.example", [NotificationKind.BATCH_DONE])
    portal = Portal(start_server(METRICS_TOKEN="for the test"))
    _upload(portal, uploader)
    worker = start()
    wait_until_finished(1)
    worker.stop()
    study = Study.objects.get()
    # It is there, and the search below would find it.
    assert MARK in portal.ask("GET", f"/studies/{study.pk}", radiologist).lower()
    _go_astray(portal, radiologist)
    metrics = portal.ask("GET", "/metrics", None, Authorization="Bearer for the test")
    assert "chestline_jobs" in metrics
    queue = portal.ask("GET", "/operations", it_person)
    UploadItem.objects.update(updated_at=timezone.now() - timedelta(minutes=5))
    run.create_due()
    assert deliver() == 1
    server_log = portal.server.log.read_text()
    assert "404 GET" in server_log
    collecting.wait_for("analyse image")
    assert any("inference" in command for command in told_to_the_broker)
    observed = {
        "log of the portal": server_log,
        "log of the worker": worker.log.read_text(),
        "broker": "\n".join([*told_to_the_broker, *_keys_of_the_broker()]),
        "metrics": metrics,
        "queue page": queue,
        "headers": portal.headers,
        "e-mail": "".join(each.as_string() for each in mailbox.messages),
        "traces": "".join(body.decode("latin-1") for body in collecting.bodies),
        "temporary files": _content_of(temporary) + _content_of(portal.server.var),
    }
    assert [place for place, text in observed.items() if MARK in text.lower()] == []


def _upload(portal: Portal, uploader: User) -> None:
    """An image that is accepted, one that is held, and one that is refused."""
    plant: dict[str, Any] = {
        "PatientID": ID,
        "AccessionNumber": ACCESSION,
        "IssuerOfPatientID": ISSUER,
        "RequestedProcedureDescription": INDICATION,
    }
    assert {*plant, "PatientName"} >= set(IDENTIFYING), "plant it too"
    good = dicom(phantom(), PatientName=NAME, **plant)
    contradicting = dicom(phantom(seed=1), PatientName=OTHER_NAME, **plant)
    batch = create_batch(uploader)
    for file in (good, contradicting, b"Qwyxplanted, and no image"):
        path = quote(f"Qwyxplanted/{len(file)} Zora.dcm")
        portal.ask(
            "POST",
            f"/uploads/{batch.pk}/files",
            uploader,
            file,
            X_File_Path=path,
            Content_Type="application/octet-stream",
        )
    assert sorted(UploadItem.objects.values_list("verdict", flat=True)) == sorted(
        [Verdict.ACCEPTED, Verdict.HELD, Verdict.REFUSED]
    )
    assert Job.objects.count() == 1


def _go_astray(portal: Portal, radiologist: User) -> None:
    """Requests that name the patient where no name belongs, and some that fail."""
    form = "application/x-www-form-urlencoded"
    for path in (
        f"/patients/{NAME}",
        f"/worklist?q={ID}",
        f"/api/v1/studies?patient_name={NAME}",
        f"/dicom-web/studies?PatientName={quote(NAME)}",
    ):
        portal.ask("GET", path, radiologist)
    search = f"text={quote(NAME)}".encode()
    portal.ask("POST", "/worklist/search", radiologist, search, Content_Type=form)
    search = f"q={quote(NAME)}".encode()
    portal.ask("POST", "/patients/search", radiologist, search, Content_Type=form)
    sign_in = f"username={ID}&password={NAME}&csrfmiddlewaretoken={TOKEN}".encode()
    portal.ask("POST", "/sign-in", None, sign_in, Content_Type=form)
    body = json.dumps({"patient_name": NAME, "unknown": ID}).encode()
    portal.ask("POST", "/api/v1/studies/search", radiologist, body, Content_Type="application/json")


def _keys_of_the_broker() -> Iterator[str]:
    """Every key with its value."""
    with redis.Redis.from_url(test_services.valkey.url, decode_responses=True) as client:
        for key in client.scan_iter():
            read = {
                "string": client.get,
                "list": lambda name: client.lrange(name, 0, -1),
                "set": client.smembers,
                "zset": lambda name: client.zrange(name, 0, -1),
                "hash": client.hgetall,
            }[client.type(key)]
            yield f"{key} {read(key)}"


def _content_of(folder: Path) -> str:
    """Names and contents of all files below a folder."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return "\n".join(f"{path} {path.read_bytes().decode('latin-1')}" for path in files)
