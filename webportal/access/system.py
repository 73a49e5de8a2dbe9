"""Entries for starts and stops of the portal, the workers and the scheduler."""

import logging
import os
import socket

from django.db import DatabaseError, InterfaceError

from webportal.access.models import AccessEntry, AccessKind, AccessOutcome

SYSTEM = "system"

logger = logging.getLogger(__name__)


def record_start(program: str, name: str = "") -> None:
    """Log that a process of `program` has started; `name` is that of a worker.

    Raises nothing if the database is unavailable: this must not keep a process from starting.
    """
    _record(AccessKind.START, program, name)


def record_stop(program: str, name: str = "") -> None:
    """Log an orderly shutdown; a killed process leaves no entry."""
    _record(AccessKind.STOP, program, name)


def _record(kind: AccessKind, program: str, name: str) -> None:
    process = name or f"{socket.gethostname()}:{os.getpid()}"
    try:
        AccessEntry.objects.create(
            kind=kind,
            outcome=AccessOutcome.DONE,
            user=SYSTEM,
            roles=[],
            study_ids=[],
            patient_ids=[],
            file_ids=[],
            criteria={"program": program, "process": process},
        )
    except (DatabaseError, InterfaceError) as error:
        logger.warning("The %s of the %s is not in the access log: %s", kind, program, error)
