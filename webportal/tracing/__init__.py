"""OpenTelemetry traces, from the request that brings an image to its result.

Off unless OTEL_EXPORTER_OTLP_ENDPOINT is set. A span contains only what this code puts there: a
name written here, a URL pattern, the id of a job, a number, the type of an error. It contains
nothing written by a person or another system, not even an error message, which may quote them. Nor
does a request continue its client's trace, whose ids could be anything.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.conf import settings

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer

logger = logging.getLogger(__name__)

_tracer: Tracer | None = None
_end: Callable[[], None] | None = None


def start(service: str, instance: str = "") -> None:
    """Start sending spans, under the name of a service and of one instance of it.

    Call it in the process that makes them, after the fork: the sending thread is not inherited.
    Does nothing without OTEL_EXPORTER_OTLP_ENDPOINT, or if it was called before.
    """
    global _tracer, _end
    if not settings.OTEL_EXPORTER_OTLP_ENDPOINT or _tracer is not None:
        return
    try:
        from webportal.tracing.exporting import provider
    except ImportError:
        logger.error(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, but OpenTelemetry is not installed; no traces are "
            "sent. Install the extra 'tracing' (make install EXTRAS=tracing)."
        )
        return
    made, _end = provider(service, instance)
    _tracer = made.get_tracer("chestline")


def stop() -> None:
    """Send the remaining spans, for a few seconds at most; later ones are dropped."""
    global _tracer, _end
    end, _end, _tracer = _end, None, None
    if end is not None:
        end()


@contextmanager
def span(name: str, kind: str = "INTERNAL") -> Iterator[Span | None]:
    """A span around the block, and the parent of spans in it; None while tracing is off.

    `kind` is OpenTelemetry's SpanKind.
    """
    if _tracer is None:
        yield None
        return
    from opentelemetry.trace import use_span

    made = begin(name, kind=kind)
    assert made is not None
    # The message of an exception may quote a patient.
    with use_span(made, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        try:
            yield made
        except Exception as error:
            mark_failed(made, type(error).__name__)
            raise


def begin(
    name: str,
    *,
    kind: str = "INTERNAL",
    parent: Span | str | None = None,
    links: Sequence[Span | str] = (),
    since_ns: int | None = None,
) -> Span | None:
    """Start a span that the caller ends, perhaps in another thread; None while tracing is off.

    Args:
        name: what is done.
        kind: OpenTelemetry's SpanKind.
        parent: a span, or one of another process as `traceparent` wrote it, '' for none; by
            default the current one.
        links: other spans to which it is related; '' is left out.
        since_ns: when it started, by `time.time_ns`; by default now.
    """
    if _tracer is None:
        return None
    from opentelemetry.trace import Link, SpanKind, get_current_span

    contexts = [_context_of(each) for each in links]
    spans = [get_current_span(each).get_span_context() for each in contexts]
    return _tracer.start_span(
        name,
        context=None if parent is None else _context_of(parent),
        kind=SpanKind[kind],
        links=[Link(each) for each in spans if each.is_valid],
        start_time=since_ns or time.time_ns(),
        record_exception=False,
        set_status_on_exception=False,
    )


def traceparent() -> str:
    """The current span as W3C Trace Context writes it, for another process; '' for none."""
    if _tracer is None:
        return ""
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent", "")


def mark_failed(failed: Span, kind: str) -> None:
    """Mark a span as failed, with the type of the error or a code of our own."""
    from opentelemetry.trace import Status, StatusCode

    failed.set_attribute("error.type", kind)
    failed.set_status(Status(StatusCode.ERROR))


def _context_of(parent: Span | str) -> Context:
    from opentelemetry.context import Context
    from opentelemetry.trace import set_span_in_context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    if isinstance(parent, str):
        return TraceContextTextMapPropagator().extract({"traceparent": parent}, Context())
    return set_span_in_context(parent, Context())
