"""Sending spans to a collector over OTLP/HTTP; imported only where traces are wanted.

A thread sends from a queue that drops what does not fit (OTEL_BSP_MAX_QUEUE_SIZE, 2,048 spans), so
a collector that is absent or hangs delays nothing and takes no memory.
"""

import logging
import threading
from collections.abc import Callable, Sequence

from django.conf import settings
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from webportal.version import VERSION

logger = logging.getLogger(__name__)

#: How long an ending process waits for the collector to accept the last spans.
STOP_SECONDS = 3.0
# A batch of images has a link to the request of each.
_LINKS = 1024


class _Exporter(SpanExporter):
    """Logs once that the collector accepts nothing, and once that it does again."""

    def __init__(self, exporter: OTLPSpanExporter) -> None:
        self._exporter = exporter
        self._is_failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans; those that cannot be sent are dropped."""
        result = self._exporter.export(spans)
        is_failing = result is not SpanExportResult.SUCCESS
        if is_failing and not self._is_failing:
            logger.warning(
                "The collector of traces (OTEL_EXPORTER_OTLP_ENDPOINT) takes no spans; they are "
                "dropped until it does"
            )
        elif self._is_failing and not is_failing:
            logger.info("The collector of traces takes spans again")
        self._is_failing = is_failing
        return result

    def shutdown(self) -> None:
        """End without waiting."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing is kept here."""
        return True


def provider(service: str, instance: str) -> tuple[TracerProvider, Callable[[], None]]:
    """Return the provider of spans, and a function that sends the last of them and stops it."""
    # The library's own messages, one for each failure, quote what they failed to send.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    resource = {"service.name": service, "service.version": VERSION}
    if instance:
        resource["service.instance.id"] = instance
    made = TracerProvider(
        resource=Resource.create(resource),
        span_limits=SpanLimits(max_links=_LINKS),
        shutdown_on_exit=False,
    )
    endpoint = settings.OTEL_EXPORTER_OTLP_ENDPOINT.rstrip("/")
    exporter = OTLPSpanExporter(
        endpoint=f"{endpoint}/v1/traces", timeout=settings.OTEL_EXPORTER_OTLP_TIMEOUT
    )
    made.add_span_processor(BatchSpanProcessor(_Exporter(exporter)))

    def end() -> None:
        # The library waits for half a minute.
        ending = threading.Thread(target=made.shutdown, daemon=True, name="last spans")
        ending.start()
        ending.join(STOP_SECONDS)

    return made, end
