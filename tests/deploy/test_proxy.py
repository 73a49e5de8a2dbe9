"""The reverse proxy of compose.tls.yaml: a real Caddy before a server that mirrors requests."""

import http.client
import json
import os
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest

from deploy.local.system import ROOT
from tests.helpers import free_port

CADDYFILE = ROOT / "deploy" / "compose" / "Caddyfile"
PATIENCE_SECONDS = 60


class _Mirror(BaseHTTPRequestHandler):
    """Answers with the headers and the length of the body that it got."""

    def do_POST(self) -> None:
        length = len(self.rfile.read(int(self.headers["Content-Length"])))
        answer = json.dumps({"headers": dict(self.headers), "length": length}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        if "X-Asks-For-HTTPS" in self.headers:
            self.send_header("Strict-Transport-Security", "max-age=1")
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


class Proxy(NamedTuple):
    """The port of a running proxy, where it logs, and the server behind it."""

    port: int
    log: Path
    upstream: ThreadingHTTPServer


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Proxy]:
    """A Caddy with the project's configuration."""
    caddy = shutil.which("caddy")
    if caddy is None:
        pytest.skip("no Caddy on this machine")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Mirror)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = free_port()
    # Port 80 is not the test's to take.
    text = CADDYFILE.read_text().replace("admin off", "admin off\n\tauto_https disable_redirects")
    file = tmp_path / "Caddyfile"
    file.write_text(text)
    log = tmp_path / "log"
    environment = {
        **os.environ,
        "HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path),
        "PORTAL_HOST": f"localhost:{port}",
        "PORTAL_UPSTREAM": f"127.0.0.1:{server.server_port}",
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [caddy, "run", "--config", str(file), "--adapter", "caddyfile"],
            env=environment,
            stderr=output,
        )
    try:
        yield Proxy(port, log, server)
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)
        server.shutdown()
        server.server_close()


def _ask(port: int, path: str, body: bytes, **headers: str) -> http.client.HTTPResponse:
    # The certificate comes from a CA that the proxy has just made.
    trusting = ssl.create_default_context()
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        connection = http.client.HTTPSConnection("localhost", port, context=trusting, timeout=20)
        try:
            connection.request("POST", path, body, headers)
            return connection.getresponse()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def test_the_portal_learns_who_asks_and_how(proxy: Proxy) -> None:
    # A client that claims to be another one is not believed.
    body = os.urandom(5_000_000)
    response = _ask(
        proxy.port, "/", body, **{"X-Forwarded-For": "10.9.9.9", "X-Forwarded-Proto": "http"}
    )
    seen = json.loads(response.read())
    assert seen["length"] == len(body)
    assert seen["headers"]["Host"] == f"localhost:{proxy.port}"
    assert seen["headers"]["X-Forwarded-Proto"] == "https"
    assert seen["headers"]["X-Forwarded-For"] in ("127.0.0.1", "::1")
    assert response.headers.get_all("Strict-Transport-Security") == ["max-age=31536000"]
    # A browser takes the first of two, whichever that is.
    portals = _ask(proxy.port, "/", b"", **{"X-Asks-For-HTTPS": "1"})
    assert portals.headers.get_all("Strict-Transport-Security") == ["max-age=1"]


def test_an_error_is_logged_without_what_was_asked_for(proxy: Proxy) -> None:
    assert _ask(proxy.port, "/?patient=Planted", b"").status == 200
    proxy.upstream.server_close()
    proxy.upstream.shutdown()
    assert _ask(proxy.port, "/?patient=Planted", b"").status == 502
    log = proxy.log.read_text()
    assert "connection refused" in log
    assert "Planted" not in log
