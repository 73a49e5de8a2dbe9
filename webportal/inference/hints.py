"""Hints to the workers that there is work, sent over Celery; may be lost, duplicated or late."""

from django.db import connection, transaction


def hint_after_commit() -> None:
    """Send a single hint once the current transaction has committed."""
    if all(function is not _send_hint for _, function, *_ in connection.run_on_commit):
        transaction.on_commit(_send_hint)


def _send_hint() -> None:
    # Imported only here: Celery takes a fifth of the start-up of every command, and few send hints.
    from webportal.inference.hint_sender import send_hint

    send_hint()
