"""The tasks, each a thin call."""

from webportal.audit import verification
from workers import process, recovery
from workers.app import app


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
