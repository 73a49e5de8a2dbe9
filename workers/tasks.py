"""Celery tasks, each a thin call."""

import time

from webportal.audit import verification
from webportal.intake.unreferenced import remove_unreferenced
from webportal.notifications import finding, mail
from scheduler import recovery
from workers import process
from workers.app import CLEAN_SECONDS, app


@app.task
def drain() -> None:
    """Work until the queue is empty."""
    process.current().engine.drain()


@app.task
def sweep() -> None:
    """Return expired leases to the queue and send hints that went missing."""
    recovery.sweep()


@app.task
def anchor_audit() -> None:
    """Write the head of the audit trail where the database cannot reach it."""
    verification.anchor()


@app.task
def notify() -> None:
    """Tell people what waits for them, and send the e-mail that is due."""
    finding.find()
    mail.deliver()


@app.task
def clean_storage() -> None:
    """Remove what no record names from the next slice of the storage; all of it within a day."""
    remove_unreferenced(int(time.time() // CLEAN_SECONDS))
