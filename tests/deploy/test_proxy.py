"""The reverse proxies, a real Caddy and a real nginx, before a server that mirrors requests."""

import http.client
import json
import os
import re
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
import yaml
from django.conf import settings

from deploy.local.system import ROOT
from tests.certificates import certificate
from tests.helpers import free_port

CADDYFILE = ROOT / "deploy" / "helm" / "chestline" / "Caddyfile"
NGINX = ROOT / "deploy" / "systemd" / "nginx.conf"
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
    """The ports of a running proxy for HTTPS and HTTP, where it logs, and the server behind it."""

    port: int
    http_port: int
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
    port, http_port = free_port(), free_port()
    log = tmp_path / "log"
    environment = {
        **os.environ,
        "HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path),
        "HTTP_PORT": str(http_port),
        "HTTPS_PORT": str(port),
        "PORTAL_HOST": "localhost",
        "PORTAL_UPSTREAM": f"127.0.0.1:{server.server_port}",
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [caddy, "run", "--config", str(CADDYFILE), "--adapter", "caddyfile"],
            env=environment,
            stderr=output,
        )
    try:
        yield Proxy(port, http_port, log, server)
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)
        server.shutdown()
        server.server_close()


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[Proxy]:
    """An nginx with the example for systemd, on another port and with a certificate of its own."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        pytest.skip("no nginx on this machine")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Mirror)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    certificate(tmp_path, "localhost")
    port, http_port, log = free_port(), free_port(), tmp_path / "log"
    text = NGINX.read_text()
    for ours, here in (
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("listen 80", f"listen 127.0.0.1:{http_port}"),
        ("/etc/nginx/chestline/cert.pem", f"{tmp_path}/localhost.pem"),
        ("/etc/nginx/chestline/key.pem", f"{tmp_path}/localhost.key"),
        ("/var/log/nginx/chestline.log", str(log)),
        ("127.0.0.1:8000", f"127.0.0.1:{server.server_port}"),
    ):
        assert text.count(ours) == 1, ours
        text = text.replace(ours, here)
    places = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    file = tmp_path / "nginx.conf"
    file.write_text(
        f"daemon off; pid {tmp_path}/pid; error_log {log} crit;\n"
        f"events {{}}\nhttp {{\n{places}{text}}}\n"
    )
    process = subprocess.Popen([program, "-c", str(file), "-p", str(tmp_path)])
    try:
        yield Proxy(port, http_port, log, server)
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


def test_http_is_redirected_to_https_on_its_usual_port(proxy: Proxy) -> None:
    assert _ask(proxy.port, "/", b"").status == 200
    plain = http.client.HTTPConnection("localhost", proxy.http_port, timeout=20)
    plain.request("GET", "/worklist/?page=2")
    response = plain.getresponse()
    assert response.status == 308
    assert response.headers["Location"] == "https://localhost/worklist/?page=2"


def test_an_error_is_logged_without_what_was_asked_for(proxy: Proxy) -> None:
    assert _ask(proxy.port, "/?patient=Planted", b"").status == 200
    proxy.upstream.server_close()
    proxy.upstream.shutdown()
    assert _ask(proxy.port, "/?patient=Planted", b"").status == 502
    log = proxy.log.read_text()
    assert "connection refused" in log
    assert "Planted" not in log


def test_nginx_tells_the_portal_who_asks_and_how_and_logs_no_address(nginx: Proxy) -> None:
    body = os.urandom(5_000_000)
    claims = {"X-Forwarded-For": "10.9.9.9", "X-Forwarded-Proto": "http"}
    seen = json.loads(_ask(nginx.port, "/?patient=Planted", body, **claims).read())
    assert seen["length"] == len(body)
    assert seen["headers"]["Host"] == f"localhost:{nginx.port}"
    assert seen["headers"]["X-Forwarded-Proto"] == "https"
    # The portal believes the last one, which the proxy has added.
    assert seen["headers"]["X-Forwarded-For"] == "10.9.9.9, 127.0.0.1"
    nginx.upstream.server_close()
    nginx.upstream.shutdown()
    assert _ask(nginx.port, "/?patient=Planted", b"").status == 502
    assert "Planted" not in nginx.log.read_text()


def test_no_proxy_gives_up_before_the_portal_has_unpacked_a_zip() -> None:
    [of_nginx] = re.findall(r"proxy_read_timeout (\d+)s;", NGINX.read_text())
    values = yaml.safe_load((ROOT / "deploy/helm/chestline/values.yaml").read_text())
    of_ingress = values["ingress"]["annotations"]["nginx.ingress.kubernetes.io/proxy-read-timeout"]
    assert min(int(of_nginx), int(of_ingress)) > settings.UPLOAD_ARCHIVE_SECONDS
