"""Headers that keep other sites out, on every kind of answer."""

import http.server
import threading
from collections.abc import Iterator

import pytest
from django.test import Client
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from tests.dicomweb.conftest import STUDIES
from tests.e2e.browser import NO_WEBGL, shared_chromium
from webportal.accounts.models import User
from webportal.accounts.services import create_token

ANSWERS = [
    ("/sign-in", 200),
    ("/worklist", 302),
    ("/nothing", 404),
    ("/language", 405),
    ("/static/icon.svg", 200),
    ("/health/live", 200),
    ("/metrics", 401),
    ("/api/v1/studies", 401),
    (STUDIES, 401),
]
FETCH = """async ([url, token]) => {
    const response = await fetch(url, {headers: {Authorization: `Token ${token}`}});
    return [response.status, await response.json()];
}"""
LOAD = "url => fetch(url, {mode: 'no-cors'}).then(() => 'loaded', () => 'blocked')"


@pytest.mark.django_db
@pytest.mark.parametrize(("path", "status"), ANSWERS)
def test_every_answer_has_them(path: str, status: int) -> None:
    answer = Client().get(path)
    assert answer.status_code == status
    assert answer["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin"
    features = dict(each.split("=") for each in answer["Permissions-Policy"].split(", "))
    assert {"camera", "microphone", "geolocation"} <= set(features)
    assert set(features.values()) == {"()"}
    # Signing in and signing by passkey need it.
    assert not {each for each in features if each.startswith("publickey")}


def test_a_preflight_has_them(settings: Settings) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://viewer.hospital.example"]
    asked = {
        "origin": "https://viewer.hospital.example",
        "access-control-request-method": "GET",
    }
    answer = Client().options(STUDIES, headers=asked)
    assert answer["Access-Control-Allow-Origin"] == "https://viewer.hospital.example"
    assert answer["Cross-Origin-Resource-Policy"] == "same-origin"


class _Page(http.server.BaseHTTPRequestHandler):
    """An empty page of another site, without policies of its own."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing."""


@pytest.fixture
def other_site() -> Iterator[str]:
    """The origin of another site."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.django_db(transaction=True)
def test_a_named_viewer_may_fetch_and_no_site_may_embed(
    live_server: LiveServer, other_site: str, radiologist: User, settings: Settings
) -> None:
    settings.CORS_ALLOWED_ORIGINS = [other_site]
    token = create_token(radiologist, "a viewer", 1)
    page = shared_chromium(*NO_WEBGL).new_page()
    page.goto(other_site)
    assert page.evaluate(FETCH, [f"{live_server.url}{STUDIES}", token]) == [200, []]
    assert page.evaluate(LOAD, f"{live_server.url}/health/live") == "blocked"
    page.goto(f"{live_server.url}/sign-in")
    assert page.evaluate(LOAD, f"{live_server.url}/health/live") == "loaded"
    page.close()
