"""Alerts for hospital IT, raised while the system needs attention and cleared afterwards.

An alert is a row from when it is first detected until it clears. Each IT user is notified once an
alert has lasted for PATIENCE; alerts that clear earlier wake nobody.
"""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from webportal.accounts.models import Role, User
from webportal.audit import health as audit
from webportal.auditexport import health as audit_export
from webportal.backups import health as backups
from webportal.delivery import health as delivery
from webportal.inference import health
from webportal.inference.health import Alert
from webportal.network import health as network
from webportal.notifications.models import MailState, Notification, NotificationKind, SystemAlert
from webportal.notifications.services import mail_state_for, mail_wanted
from webportal.orders import health as orders
from webportal.oversight.drift import health as drift
from webportal.records.file_faults import open_faults
from webportal.upkeep.models import PauseReason
from webportal.upkeep.pauses import open_pauses

PATIENCE = timedelta(minutes=2)
# An e-mail refused this often is not a transient fault of the mail server.
_REFUSALS = 3

MAIL_FAILING = Alert(
    "mail_failing",
    _("E-mail cannot be sent. Check the mail server and its settings (EMAIL_URL)."),
)
FILE_FAULT = Alert(
    "file_fault",
    _(
        "A stored file is missing or damaged. It is not shown, delivered or analysed until "
        "the same file is uploaded again or restored from a backup."
    ),
)
REMOVAL_ALERTS = {
    PauseReason.OLDER_DATABASE: Alert(
        "removal_older_database",
        _(
            "The database is older than the storage, as after a restore, so no files are removed"
            " from the storage. Upload again what is not in the database, then resume the removal"
            " on the Queue page."
        ),
    ),
    PauseReason.TOO_MANY: Alert(
        "removal_too_many",
        _(
            "Far more stored files than usual are unreferenced, so none are removed. Find out"
            " why, then resume their removal on the Queue page."
        ),
    ),
}
# What finds alerts: each has `problems`, the codes that apply now, and their texts in `WORDS`.
_SOURCES = (audit, audit_export, backups, network, orders, drift, delivery)
ALERTS = {code: Alert(code, words) for each in _SOURCES for code, words in each.WORDS.items()} | {
    alert.code: alert
    for alert in (
        FILE_FAULT,
        *REMOVAL_ALERTS.values(),
        health.NO_WORKER,
        health.ALL_DRAINING,
        health.QUEUE_STUCK,
        health.QUEUE_PAUSED,
        health.WORKER_LOST,
        health.QUARANTINED,
        health.STORAGE_AWAY,
        health.STORAGE_READ_ONLY,
        health.STORAGE_FULL,
        health.STORAGE_LOW,
        MAIL_FAILING,
    )
}


def current_alerts() -> list[Alert]:
    """The current alerts."""
    alerts = list(health.queue_health().alerts)
    alerts += [ALERTS[code] for each in _SOURCES for code in each.problems()]
    alerts += [REMOVAL_ALERTS[PauseReason(each.reason)] for each in open_pauses()]
    if open_faults().exists():
        alerts.append(FILE_FAULT)
    return [*alerts, MAIL_FAILING] if _mail_fails() else alerts


def _mail_fails() -> bool:
    """Whether e-mail is being refused, or was given up in the last 24 hours."""
    recent = Notification.objects.filter(created_at__gt=timezone.now() - timedelta(days=1))
    is_refused = Notification.objects.filter(
        mail_state=MailState.DUE, mail_attempts__gte=_REFUSALS
    ).exists()
    return is_refused or recent.filter(mail_state=MailState.FAILED).exists()


@transaction.atomic
def create_due() -> int:
    """Record new and cleared alerts; return how many notifications were created."""
    now = timezone.now()
    codes = [alert.code for alert in current_alerts()]
    unclear = SystemAlert.objects.filter(cleared_at=None)
    over = unclear.exclude(code__in=codes)
    Notification.objects.filter(alert__in=over, mail_state=MailState.DUE).update(
        mail_state=MailState.NONE, mail_due_at=None
    )
    over.update(cleared_at=now)
    begun = set(codes) - set(unclear.values_list("code", flat=True))
    SystemAlert.objects.bulk_create(
        (SystemAlert(code=code, since=now) for code in sorted(begun)), ignore_conflicts=True
    )
    return sum(_notify(alert) for alert in unclear.filter(since__lte=now - PATIENCE))


def _notify(alert: SystemAlert) -> int:
    people = User.objects.filter(is_active=True, roles__contains=[Role.IT])
    unnotified = people.exclude(notifications__alert=alert)
    wanted = mail_wanted(NotificationKind.SYSTEM_ALERT, {person.pk for person in unnotified})
    created = [
        Notification(
            recipient=person,
            kind=NotificationKind.SYSTEM_ALERT,
            alert=alert,
            **mail_state_for(person.pk in wanted),
        )
        for person in unnotified
    ]
    Notification.objects.bulk_create(created, ignore_conflicts=True)
    return len(created)
