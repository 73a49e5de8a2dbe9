"""An audit record repository with FHIR: over HTTPS, checking what it gets, and coming back."""

import json
import ssl
import threading
import time
from base64 import b64decode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from jsonschema import Draft6Validator

from tests.delivery.fhir_peer import SCHEMA
from tests.helpers import free_port

Json = dict[str, Any]
_VALIDATOR = Draft6Validator({**SCHEMA, "$ref": "#/definitions/AuditEvent"})


def faults(event: Json) -> list[str]:
    """What is wrong with a resource by the JSON Schema of FHIR R4."""
    return [
        f"{'.'.join(map(str, each.absolute_path))}: {each.message[:200]}"
        for each in _VALIDATOR.iter_errors(event)
    ]


def entry_in(event: Json) -> Json:
    """The entry of the trail that a resource carries."""
    [detail] = [each["detail"][0] for each in event["entity"] if "detail" in each]
    entry: Json = json.loads(b64decode(detail["valueBase64Binary"]))
    return entry


class Repository:
    """Stores what is valid. What is stored outlasts a stop, the connections do not."""

    def __init__(self, folder: Path) -> None:
        self.events: list[Json] = []
        self.headers: list[dict[str, str]] = []
        #: Status codes to answer with instead, one request each, without storing anything.
        self.refusals: list[int] = []
        self.retry_after = ""
        #: The numbers of entries that it does not take, whenever they come, and what it says then.
        self.dislikes: dict[int, int] = {}
        #: Whether it answers a byte at a time, for ever.
        self.drips = False
        #: After so many more requests it stores and says nothing: the answer is lost.
        self.silent_after: int | None = None
        self.longest = 10**9
        self.delay = 0.0
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}/fhir"
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(folder / "server.pem", folder / "server.key")
        self._context.load_verify_locations(folder / "ca.pem")
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        """Listen, on the same port each time."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                outer._post(self)

            def log_message(self, *_args: object) -> None:
                return

        class Server(ThreadingHTTPServer):
            allow_reuse_address = True
            daemon_threads = True

            def handle_error(self, *_args: object) -> None:
                return

        self._server = Server(("127.0.0.1", self.port), Handler)
        self._server.socket = self._context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Stop listening; open connections are ended at their next request."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def sequences(self) -> list[int]:
        """The numbers of the entries that it has, in the order of arrival."""
        return [entry_in(event)["sequence"] for event in self.events]

    def _post(self, handler: BaseHTTPRequestHandler) -> None:
        content = handler.rfile.read(int(handler.headers["Content-Length"]))
        if self._server is None:
            handler.close_connection = True
            return None
        time.sleep(self.delay)
        self.headers.append(dict(handler.headers))
        assert handler.path == "/fhir/AuditEvent"
        if self.refusals:
            return self._say(handler, self.refusals.pop(0))
        if len(content) > self.longest:
            return self._say(handler, 413)
        if self.drips:
            return self._drip(handler)
        event = json.loads(content)
        if faults(event):
            return self._say(handler, 422)
        if status := self.dislikes.get(entry_in(event)["sequence"]):
            return self._say(handler, status)
        self.events.append(event)
        if self.silent_after is not None:
            self.silent_after -= 1
            if self.silent_after < 0:
                handler.close_connection = True
                return None
        return self._say(handler, 201)

    def _drip(self, handler: BaseHTTPRequestHandler) -> None:
        """Never finish a line of the header, nor stay silent for long."""
        handler.close_connection = True
        handler.wfile.write(b"HTTP/1.1 201 Created\r\nX-Slow: ")
        try:
            while self.drips:
                handler.wfile.write(b"x")
                time.sleep(0.05)
        except OSError:
            return

    def _say(self, handler: BaseHTTPRequestHandler, status: int) -> None:
        handler.send_response(status)
        if self.retry_after and status != 201:
            handler.send_header("Retry-After", self.retry_after)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
