"""A collector of OpenTelemetry traces that speaks OTLP over HTTP, in this process."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.helpers import wait_until


@dataclass(frozen=True)
class Received:
    """A span, and the service that sent it."""

    service: str
    span: Span

    @property
    def attributes(self) -> dict[str, str]:
        """Its attributes, as text."""
        return {
            each.key: str(getattr(each.value, each.value.WhichOneof("value")))
            for each in self.span.attributes
        }


@dataclass
class Collector:
    """What has arrived, and how it arrived."""

    endpoint: str = ""
    hangs: bool = False
    requests: int = 0
    bodies: list[bytes] = field(default_factory=list)

    def received(self) -> list[Received]:
        """Every span so far."""
        found = []
        for body in list(self.bodies):
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                named = {each.key: each.value.string_value for each in resource.resource.attributes}
                for scope in resource.scope_spans:
                    found += [Received(named["service.name"], span) for span in scope.spans]
        return found

    def named(self, name: str) -> list[Received]:
        """The spans of that name."""
        return [each for each in self.received() if each.span.name == name]

    def wait_for(self, name: str, count: int = 1) -> list[Received]:
        """Wait until so many spans of that name have arrived."""
        wait_until(lambda: len(self.named(name)) >= count, f"{count} spans {name} arrived")
        return self.named(name)


@contextmanager
def collector() -> Iterator[Collector]:
    """Collect on a free port; while it `hangs` it reads requests and does not answer."""
    collected = Collector()
    ending = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collected.requests += 1
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if collected.hangs:
                ending.wait()
                return
            assert self.path == "/v1/traces"
            collected.bodies.append(body)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        collected.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield collected
        ending.set()
        server.shutdown()


@pytest.fixture
def collecting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A collector to which every process that is started from now on sends its spans."""
    with collector() as collected:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collected.endpoint)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
        yield collected


def seconds(action: Callable[[], object]) -> float:
    """How long the action takes."""
    began = time.monotonic()
    action()
    return time.monotonic() - began
