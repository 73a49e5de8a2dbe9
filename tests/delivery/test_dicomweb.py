"""STOW-RS to Orthanc, and to servers whose answers the test chooses."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.test import Client
from django.urls import reverse

from tests.delivery.conftest import Orthanc, send_all
from tests.factories import make_prediction, make_radiograph
from tests.helpers import let_time_pass
from tests.reading import read
from webportal.accounts.encryption import decrypt
from webportal.accounts.models import User
from webportal.audit.models import AuditEntry
from webportal.delivery import attempts
from webportal.delivery.making import make
from webportal.delivery.models import (
    Content,
    DeliveryState,
    Destination,
    Document,
    Protocol,
)
from webportal.delivery.planning import plan

pytestmark = pytest.mark.django_db
Make = Callable[..., Destination]
Answer = tuple[int, object]


class Server:
    """A DICOMweb server: answers in turn, 'drop' to end the connection; knows `there`.

    `of_study` and `of_all` are its statuses for a search in one study and in all of them.
    """

    def __init__(self, *answers: Answer | str) -> None:
        self.answers = list(answers)
        self.there: list[str] = []
        self.stored: list[bytes] = []
        self.tokens: list[str] = []
        self.of_study = self.of_all = 200
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.tokens.append(self.headers.get("Authorization", ""))
                outer.stored.append(self.rfile.read(int(self.headers["Content-Length"])))
                answer = outer.answers.pop(0) if outer.answers else (200, {})
                if isinstance(answer, str):
                    self.connection.close()
                    return
                self.say(*answer)

            def do_GET(self) -> None:
                is_of_study = "/instances?" in self.path
                self.say(outer.of_study if is_of_study else outer.of_all, outer.there)

            def say(self, status: int, body: object) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_args: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/dicom-web"


@pytest.fixture
def make_server() -> Iterator[Callable[..., Server]]:
    """Start servers that end with the test."""
    made: list[Server] = []

    def make(*answers: Answer | str) -> Server:
        made.append(Server(*answers))
        return made[-1]

    yield make
    for each in made:
        each.server.shutdown()
        each.server.server_close()


def stow(make_destination: Make, url: str, **fields: object) -> Destination:
    values: dict[str, object] = {"sends": [Content.RESULTS], "results_when": "at_once"}
    return make_destination(protocol=Protocol.DICOMWEB, url=url, **values | fields)


def test_everything_reaches_orthanc_once(
    orthanc: Orthanc, make_destination: Make, radiologist: User
) -> None:
    orthanc.start()
    url = f"http://127.0.0.1:{orthanc.http_port}/dicom-web"
    destination = stow(make_destination, url, sends=list(Content))
    read(make_prediction(make_radiograph(size=(300, 240))), radiologist, "definite")
    let_time_pass()
    rows = send_all(destination)
    assert {row.state for row in rows} == {DeliveryState.DELIVERED}, [row.answer for row in rows]
    assert len(orthanc.ask("instances")) == len(rows) == 4


def test_a_lost_answer_is_settled_by_looking_whether_it_is_there(
    make_destination: Make, make_server: Callable[..., Server]
) -> None:
    server = make_server("drop")
    destination = stow(make_destination, server.url)
    make_prediction(category="unlikely")
    plan()
    document = Document.objects.get()
    make(document)
    server.there.append(document.sop_instance_uid)
    (row,) = send_all(destination)
    assert (row.state, row.answer) == (DeliveryState.DELIVERED, "found")
    assert len(server.stored) == 1


FAILED = {"00081198": {"vr": "SQ", "Value": [{"00081197": {"vr": "US", "Value": [0xA900]}}]}}


@pytest.mark.parametrize(
    ("answer", "state", "code"),
    [
        ((200, {}), DeliveryState.DELIVERED, ""),
        ((202, FAILED), DeliveryState.REJECTED, "rejected_by_destination"),
        ((409, {}), DeliveryState.REJECTED, "rejected_by_destination"),
        ((415, {}), DeliveryState.REJECTED, "rejected_by_destination"),
        ((401, {}), DeliveryState.WAITING, "not_allowed"),
        ((302, {}), DeliveryState.WAITING, "not_a_server"),
        ((404, {}), DeliveryState.WAITING, "not_a_server"),
        ((405, {}), DeliveryState.WAITING, "not_a_server"),
        ((407, {}), DeliveryState.WAITING, "not_a_server"),
    ],
)
def test_the_status_decides_what_follows(
    make_destination: Make,
    make_server: Callable[..., Server],
    answer: Answer,
    state: str,
    code: str,
) -> None:
    server = make_server(*[answer] * 50)
    destination = stow(make_destination, server.url)
    make_prediction(category="unlikely")
    (row,) = send_all(destination)
    assert (row.state, row.reason_code) == (state, code)


@pytest.mark.parametrize(
    ("of_study", "of_all", "state", "code"),
    [
        (200, 200, DeliveryState.WAITING, "missing_there"),
        (404, 200, DeliveryState.WAITING, "missing_there"),
        (404, 404, DeliveryState.STORED, "not_asked"),
        (503, 200, DeliveryState.STORED, "not_asked"),
    ],
)
def test_the_status_of_a_search_tells_what_is_missing_from_a_server_that_does_not_answer(
    make_destination: Make,
    make_server: Callable[..., Server],
    monkeypatch: pytest.MonkeyPatch,
    of_study: int,
    of_all: int,
    state: str,
    code: str,
) -> None:
    monkeypatch.setattr(attempts, "CONFIRM_AFTER_SECONDS", 0.0)
    server = make_server()
    server.of_study, server.of_all = of_study, of_all
    destination = stow(make_destination, server.url, confirms=True)
    make_prediction(category="unlikely")
    (row,) = send_all(destination)
    assert (row.state, row.reason_code) == (state, code)


def test_a_token_is_kept_encrypted_and_goes_to_no_other_address(
    it_person: User,
    sign_in: Callable[[User], Client],
    make_server: Callable[..., Server],
) -> None:
    server = make_server()
    client = sign_in(it_person)
    values = {
        "name": "Archive",
        "url": server.url,
        "token": "s3cret-token",
        "sends": ["results"],
        "results_when": "at_once",
    }
    assert client.post("/destinations/new/dicomweb", values).status_code == 302
    made = Destination.objects.get()
    assert "s3cret" not in made.secret
    assert decrypt(made.secret) == "s3cret-token"
    place = reverse("delivery:destination", args=[made.pk])
    assert "s3cret" not in client.get(place).text
    assert "s3cret" not in str(AuditEntry.objects.get(action="destination.created").detail)
    make_prediction(category="unlikely")
    send_all(made)
    assert server.tokens == ["Bearer s3cret-token"]

    elsewhere = values | {"url": "https://other.example/dicom-web", "token": ""}
    assert "enter the token again" in client.post(place, elsewhere).text
    renamed = values | {"name": "Long-term archive", "token": ""}
    assert client.post(place, renamed).status_code == 302
    made.refresh_from_db()
    assert decrypt(made.secret) == "s3cret-token"
