"""Celery's beat, guarded against a second scheduler.

A container platform that has lost a node starts another scheduler while the old one may still be
running. Only the one that holds a lock in the database sends the tasks that are due.
"""

import logging
from contextlib import suppress
from typing import Any

from celery.beat import Scheduler
from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, connections

logger = logging.getLogger(__name__)

RETRY_SECONDS = 5.0
_LOCK = 0x6368657376


class GuardedScheduler(Scheduler):
    """Sends due tasks while it holds the lock, which PostgreSQL releases with the connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._holds_lock = False
        # Neither the connection of the worker that forks this process, nor one that Celery closes.
        self._connection = connections.create_connection(DEFAULT_DB_ALIAS)
        super().__init__(*args, **kwargs)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send one due task if this is the only scheduler; return the seconds until the next."""
        was_holding = self._holds_lock
        self._holds_lock = self._lock()
        if self._holds_lock and not was_holding:
            logger.info("This scheduler sends the tasks")
        elif was_holding and not self._holds_lock:
            logger.warning("The lock of the scheduler is lost; another one may take over")
        if not self._holds_lock:
            return RETRY_SECONDS
        seconds: float = super().tick(*args, **kwargs)
        return min(seconds, RETRY_SECONDS)

    def _lock(self) -> bool:
        """Whether the lock is held; it is lost with the connection that took it."""
        if self._holds_lock:
            # With a time limit: another server may meanwhile have replaced one that hangs.
            if self._connection.is_usable():
                return True
            self._connection.close()
            return False
        try:
            with self._connection.cursor() as cursor:
                cursor.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK])
                [is_mine] = cursor.fetchone()
                return bool(is_mine)
        except (DatabaseError, InterfaceError):
            self._connection.close()
            return False

    def close(self) -> None:
        """Release the lock, so that a successor need not wait for the connection to end."""
        if self._holds_lock:
            with suppress(DatabaseError, InterfaceError), self._connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])
        self._connection.close()
        self._holds_lock = False
        super().close()
