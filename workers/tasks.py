"""The workers' Celery task, a thin call."""

from workers import process
from workers.app import app


@app.task
def drain() -> None:
    """Work until the queue is empty."""
    process.current().engine.drain()
