"""The last lines of a worker's log, which it reports with its heartbeat.

Logs have no patient data (see webportal.logs), so hospital IT may read them on the worker's page.
"""

import logging
from collections import deque

LINES = 40
LONGEST_LINE = 300


class LogTail(logging.Handler):
    """Keeps the last lines of the log."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._lines: deque[str] = deque(maxlen=LINES)
        self._reported = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record, a traceback line by line."""
        self._lines.extend(line[:LONGEST_LINE] for line in self.format(record).splitlines())

    def news(self) -> str | None:
        """The lines as text; None if they are the same as those last reported."""
        text = "\n".join(self._lines.copy())
        return None if text == self._reported else text

    def was_reported(self, text: str) -> None:
        """Record that these lines have been reported."""
        self._reported = text
