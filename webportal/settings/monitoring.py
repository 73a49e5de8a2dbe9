"""Traces, metrics and logs."""

from typing import Any

import environ

from webportal import logs
from webportal.settings.environment import env

# The collector of OpenTelemetry traces, and how many seconds it may take to accept what is sent.
OTEL_EXPORTER_OTLP_ENDPOINT = env.str("OTEL_EXPORTER_OTLP_ENDPOINT", default="")
OTEL_EXPORTER_OTLP_TIMEOUT = env.float("OTEL_EXPORTER_OTLP_TIMEOUT", default=2)
# Bearer token for Prometheus; if empty, only hospital IT can read /metrics.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")

# ── Logs ────────────────────────────────────────────────────────────────────────────────────────
# Lines of text, or one JSON object a line.
LOG_FORMAT = env.str("LOG_FORMAT", default="text")
if LOG_FORMAT not in logs.FORMATS:
    raise environ.ImproperlyConfigured("LOG_FORMAT must be text or json.")
LOGGING: dict[str, Any] = logs.logging_config(LOG_FORMAT)
