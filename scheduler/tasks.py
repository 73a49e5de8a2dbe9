"""The scheduler's Celery tasks, each a thin call.

They keep the names under which they were registered when they belonged to the workers, because a
message may wait in the broker while an installation is updated.
"""

import time

from scheduler import recovery
from scheduler.app import CLEAN_SECONDS, app
from webportal.audit import anchors
from webportal.notifications import mail, run
from webportal.upkeep import pauses
from webportal.upkeep.unreferenced import remove_unreferenced


@app.task(name="workers.tasks.sweep")
def sweep() -> None:
    """Return expired leases to the queue and send hints that went missing."""
    recovery.sweep()


@app.task(name="workers.tasks.anchor_audit")
def anchor_audit() -> None:
    """Write the head of the audit trail where the database cannot reach it."""
    anchors.anchor()


@app.task(name="workers.tasks.notify")
def notify() -> None:
    """Tell people what waits for them, and send the e-mail that is due."""
    run.note_all()
    mail.deliver()


@app.task(name="workers.tasks.clean_storage")
def clean_storage() -> None:
    """Move what no record names from the next slice of the storage to the trash.

    All slices have their turn within a day.
    """
    remove_unreferenced(int(time.time() // CLEAN_SECONDS))


@app.task(name="workers.tasks.watch_database")
def watch_database() -> None:
    """Mark in the storage how far the database is; where it is older than that, remove nothing."""
    pauses.watch_database()
