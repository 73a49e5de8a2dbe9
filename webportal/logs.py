"""Log content: enough to find a fault, one line where nothing is broken, and no patient data.

URLs are logged as their patterns: users may type a name there. Refusals are limited per client, so
that nobody can fill the logs and rotate out what others need.
"""

import json
import logging
import re
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest
from django.urls import ResolverMatch

from webportal.client_address import client_address
from webportal.minute_counter import MinuteCounter

FORMATS: tuple[str, ...] = ("text", "json")
#: Lines that a single client may cause.
LINES_A_MINUTE = 30
_refused = MinuteCounter()
# PostgreSQL quotes the row that it refuses.
_QUOTED = re.compile(r"^(DETAIL|CONTEXT|LINE \d+|\s*\^).*\n?", re.MULTILINE)


def logging_config(log_format: str) -> dict[str, Any]:
    """The configuration for every process, in one of FORMATS."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "text": {
                "()": "webportal.logs.Formatter",
                "format": "{asctime} {levelname} {name}: {message}",
                "style": "{",
            },
            "json": {"()": "webportal.logs.JsonFormatter"},
        },
        "filters": {"requests": {"()": "webportal.logs.Requests"}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": log_format,
                "filters": ["requests"],
            },
        },
        "root": {"handlers": ["stderr"], "level": "INFO"},
        "loggers": {
            # The PDF library names the characters that it draws, and so those of patients' names.
            "fontTools": {"level": "ERROR"},
            "fpdf": {"level": "ERROR"},
            # Names each passkey that is used.
            "fido2": {"level": "WARNING"},
            # Logs what is sent to other systems: accession numbers.
            "pynetdicom": {"level": "WARNING"},
        },
    }


class Formatter(logging.Formatter):
    """Formats tracebacks without the values that the database quotes in its errors."""

    def formatException(self, ei: Any) -> str:
        """The traceback."""
        return _QUOTED.sub("", super().formatException(ei)).rstrip()


class JsonFormatter(Formatter):
    """Formats a record as one JSON object on one line, for those who collect logs."""

    def format(self, record: logging.LogRecord) -> str:
        """Time in UTC, level, logger, message and, of an exception, the traceback."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        # Escaped, so that it is one line of JSON in whatever encoding stderr has.
        return json.dumps(line)


class Requests(logging.Filter):
    """Rewrites Django's log records about requests."""

    def __init__(self) -> None:
        super().__init__()
        self._lines = MinuteCounter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log the record; records about a request contain no path."""
        request = getattr(record, "request", None)
        if not isinstance(request, HttpRequest):
            return True
        status = getattr(record, "status_code", None)
        # Being busy or out of space is not a bug, and occurs in large numbers.
        is_fault = status == HTTPStatus.INTERNAL_SERVER_ERROR
        if not is_fault:
            # Nothing is broken, so a traceback is of no use.
            record.exc_info = record.exc_text = None
            if self._lines.count(client_address(request)) > LINES_A_MINUTE:
                return False
        record.msg = (
            f"{status or record.levelname} {request.method} {pattern_of(request.resolver_match)}"
        )
        record.args = ()
        return True


def warn_of(logger: logging.Logger, request: HttpRequest, message: str, *values: object) -> None:
    """Log a warning about what a client sent, which need not be signed in, if it may cause one.

    Values are what others wrote: format them with %r, which keeps them on one line.
    """
    if _refused.count(client_address(request)) <= LINES_A_MINUTE:
        logger.warning(message, *values)


def pattern_of(match: ResolverMatch | None) -> str:
    """The pattern of an address, without the values in it."""
    return f"/{match.route}" if match else "an address that does not exist"
