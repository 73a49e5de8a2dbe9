"""Trying a transaction again that PostgreSQL has ended to resolve a deadlock."""

import logging
from collections.abc import Callable
from typing import TypeVar

from django.db import OperationalError, connection
from psycopg.errors import DeadlockDetected

logger = logging.getLogger(__name__)

ATTEMPTS = 3

T = TypeVar("T")


def retried(transaction: Callable[[], T]) -> T:
    """Return the outcome of a transaction, tried again after a deadlock.

    Locks are taken in one order, but a row that two transactions insert is locked when it is
    inserted, whatever else they hold. The other one has gone on by the time this one has ended.
    """
    for _attempt in range(ATTEMPTS - 1):
        try:
            return transaction()
        except OperationalError as error:
            # Within another transaction there is nothing left that could be tried again.
            if not isinstance(error.__cause__, DeadlockDetected) or connection.in_atomic_block:
                raise
            logger.warning("A transaction is tried again after a deadlock")
    return transaction()
