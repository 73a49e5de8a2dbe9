"""Hints to the workers, over Celery, that there is work; may be lost, duplicated or late."""

from django.db import connection, transaction

DRAIN_TASK = "workers.tasks.drain"
INFERENCE_QUEUE = "inference"


def hint_after_commit() -> None:
    """Send a single hint once the current transaction has committed."""
    if all(function is not _send_hint for _, function, *_ in connection.run_on_commit):
        transaction.on_commit(_send_hint)


def _send_hint() -> None:
    # Here, because Celery would take a fifth of the start of every command, and few send a hint.
    from webportal.inference.hint_sender import send_hint

    send_hint()
