"""The scheduler's Celery tasks, each a thin call.

Those named `workers.tasks` keep the name from when they belonged to the workers, because messages
may be waiting in the broker during an upgrade.
"""

import time

from django.conf import settings

from scheduler import recovery
from scheduler.app import (
    CHECK_SECONDS,
    CLEAN_SECONDS,
    MOST_CHECKING_SECONDS,
    MOST_ERASING_SECONDS,
    MOST_EXPORTING_SECONDS,
    app,
)
from webportal.access import removal, seals
from webportal.audit import anchors, runs
from webportal.auditexport import sending as audit_export
from webportal.backups import runs as backup_runs
from webportal.delivery import starting
from webportal.erasure import execution
from webportal.inference import history, inputs
from webportal.notifications import mail, run
from webportal.orders import cleanup
from webportal.oversight.drift import starting as drift
from webportal.oversight.shadow import planning
from webportal.research import building, services
from webportal.upkeep import checking, pauses
from webportal.upkeep.unreferenced import remove_unreferenced


@app.task(name="workers.tasks.sweep")
def sweep() -> None:
    """Requeue expired leases and resend lost hints."""
    recovery.sweep()


@app.task(name="workers.tasks.anchor_audit")
def anchor_audit() -> None:
    """Write the head of the audit trail outside the database."""
    anchors.anchor()


@app.task
def verify_audit() -> None:
    """Start the verification requested by an auditor, or the daily one, in another process."""
    runs.start_if_due()


@app.task
def export_audit() -> None:
    """Send the next entries of the audit trail to the servers that it is exported to."""
    audit_export.send_some(MOST_EXPORTING_SECONDS)


@app.task
def back_up() -> None:
    """Start a backup in another process, if one is due."""
    backup_runs.start_if_due()


@app.task
def erase() -> None:
    """Continue confirmed erasures."""
    execution.carry_out_confirmed(MOST_ERASING_SECONDS)


@app.task
def send_results() -> None:
    """Start the process that sends results if there are destinations and none runs."""
    starting.start_if_needed()


@app.task
def make_research_exports() -> None:
    """Start the process that makes exports for research if one waits."""
    building.start_if_due()


@app.task
def remove_research_exports() -> None:
    """Remove expired exports for research."""
    services.remove_expired()


@app.task(name="workers.tasks.notify")
def notify() -> None:
    """Create notifications, and send the e-mail that is due."""
    run.create_due()
    mail.deliver()


@app.task(name="workers.tasks.clean_storage")
def clean_storage() -> None:
    """Move unreferenced files in the next slice of the storage to the trash.

    All slices are processed within a day. Inputs that no worker has fetched are removed.
    """
    inputs.remove_old()
    remove_unreferenced(int(time.time() // CLEAN_SECONDS))


@app.task
def summarise_queue() -> None:
    """Compute the figures of the current hour and day, and missing earlier ones."""
    history.summarise()


@app.task
def plan_shadow() -> None:
    """Add new images to the running shadow trial; end it when its time is over."""
    planning.plan()


@app.task
def compute_drift() -> None:
    """Start the process that computes complete weeks if one is missing."""
    drift.start_if_due()


@app.task
def watch_database() -> None:
    """Record the database's position in the storage; stop removals if the database is older."""
    pauses.watch_database()


@app.task
def seal_access() -> None:
    """Put the digests of complete days of the access log into the audit trail."""
    seals.seal()


@app.task
def remove_old_access() -> None:
    """Remove entries of the access log whose retention period has passed."""
    removal.remove_old()


@app.task
def remove_old_orders() -> None:
    """Remove orders that were never linked, and records of messages, when their time is over."""
    cleanup.remove_old()


@app.task
def check_storage() -> None:
    """Compare the next stored files with their checksums if a round is due."""
    check = checking.due_round()
    if check is not None:
        megabytes = settings.STORAGE_CHECK_MEGABYTES * CHECK_SECONDS
        most_bytes = int(megabytes * 1024**2)
        checking.check_some(check, most_bytes=most_bytes, most_seconds=MOST_CHECKING_SECONDS)
