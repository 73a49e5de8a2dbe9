"""Everything about each kind of notification: recipients, wording and target.

Only the kinds that count studies are listed beside `NotificationKind`, because database
constraints use them.
"""

from collections.abc import Callable
from dataclasses import dataclass

from django.urls import reverse

from webportal.accounts.models import Role, User
from webportal.accounts.roles import UPLOADERS
from webportal.notifications import messages
from webportal.notifications.models import Notification, NotificationKind
from webportal.records.choices import Priority
from webportal.records.models import Patient
from webportal.review.models import Read, ReadState
from webportal.review.worklist.filters import MINE


def _results_of_batch(notification: Notification) -> str:
    return reverse("results:batch", args=[notification.batch_id])


def _stat_worklist(_notification: Notification) -> str:
    # All of them: others may have come since.
    return reverse("review:worklist", query={"priority": str(Priority.STAT.value)})


def _own_worklist(_notification: Notification) -> str:
    return reverse("review:worklist", query={"assigned": MINE})


def _study(notification: Notification) -> str:
    return reverse("review:study", args=[notification.study_id])


def _corrected_study(notification: Notification) -> str:
    """The affected study, or the patient's history if there are several."""
    assert notification.correction is not None, "the database refuses one without its correction"
    signed = Read.objects.filter(
        reader=notification.recipient_id,
        state=ReadState.SIGNED,
        signed_at__lt=notification.correction.at,
    )
    studies = list(notification.correction.studies.filter(reads__in=signed).distinct()[:2])
    if len(studies) == 1:
        return reverse("review:study", args=[studies[0].pk])
    if studies:
        return reverse("records:patient", args=[studies[0].patient_id])
    return reverse("notifications:list")


def _emergency(notification: Notification) -> str:
    """The auditor's review; the patient for heads of departments; for IT who opened the patient."""
    assert notification.emergency is not None, "the database refuses one without its access"
    person, access = notification.recipient, notification.emergency
    if person.has_role(Role.AUDITOR):
        return reverse("audit:emergency", args=[access.pk])
    patients = Patient.objects.visible_to(person).filter(pk=access.patient_id)
    if person.has_role(*UPLOADERS) and patients.exists():
        return reverse("records:patient", args=[access.patient_id])
    if person.has_role(Role.IT):
        return reverse("accounts:user", args=[access.person_id])
    return reverse("home")


def _user(notification: Notification) -> str:
    assert notification.role_request is not None, "the database refuses one without its request"
    if not notification.recipient.has_role(Role.IT):
        return reverse("home")
    return reverse("accounts:user", args=[notification.role_request.user_id])


def _second_factor(_notification: Notification) -> str:
    return reverse("accounts:second-factor")


@dataclass(frozen=True)
class KindDetails:
    """One kind: whom it concerns, its sentence, the page it opens, and its e-mail.

    `roles` may choose e-mail for it; where there are none, everybody gets it without asking. `mail`
    gives subject and text where the sentence will not do.
    """

    roles: tuple[Role, ...]
    sentence: Callable[[Notification], str]
    opens: Callable[[Notification], str]
    mail: Callable[[Notification], tuple[str, str]] | None = None


KINDS = {
    NotificationKind.BATCH_DONE: KindDetails(
        UPLOADERS, messages.batch_done, _results_of_batch, messages.mail_of_batch_done
    ),
    NotificationKind.STUDIES_SIGNED: KindDetails(
        UPLOADERS, messages.studies_signed, lambda _notification: reverse("intake:batches")
    ),
    NotificationKind.STAT_UNREAD: KindDetails(
        (Role.RADIOLOGIST,), messages.stat_unread, _stat_worklist, messages.mail_of_stat_unread
    ),
    NotificationKind.STUDIES_ASSIGNED: KindDetails(
        (Role.RADIOLOGIST,), messages.studies_assigned, _own_worklist
    ),
    NotificationKind.READ_OVERRULED: KindDetails(
        (Role.RADIOLOGIST,), messages.read_overruled, _study
    ),
    NotificationKind.IDENTITY_CORRECTED: KindDetails(
        (Role.RADIOLOGIST,), messages.identity_corrected, _corrected_study
    ),
    NotificationKind.REPORTS_READY: KindDetails(
        (Role.REFERRER,), messages.reports_ready, lambda _notification: reverse("reports:list")
    ),
    NotificationKind.PASSWORD_RESET: KindDetails(
        (), messages.password_reset, lambda _notification: reverse("accounts:sessions")
    ),
    NotificationKind.FACTOR_ADDED: KindDetails((), messages.factor_added, _second_factor),
    NotificationKind.FACTOR_REMOVED: KindDetails((), messages.factor_removed, _second_factor),
    NotificationKind.FACTOR_RESET: KindDetails((), messages.factor_reset, _second_factor),
    NotificationKind.EMERGENCY: KindDetails((), messages.emergency, _emergency),
    NotificationKind.EMERGENCY_OVERDUE: KindDetails(
        (Role.AUDITOR,), messages.emergency_overdue, _emergency
    ),
    NotificationKind.ROLES_REQUESTED: KindDetails((Role.IT,), messages.roles_requested, _user),
    NotificationKind.ROLES_DECIDED: KindDetails((Role.IT,), messages.roles_decided, _user),
    NotificationKind.SYSTEM_ALERT: KindDetails(
        (Role.IT,), messages.system_alert, lambda _notification: reverse("operations:queue")
    ),
}


def kinds_of(person: User) -> list[NotificationKind]:
    """The kinds that concern a person in the roles that they have now."""
    return [
        kind
        for kind, details in KINDS.items()
        if not details.roles or person.has_role(*details.roles)
    ]


def sentence(notification: Notification) -> str:
    """The sentence on the page."""
    return KINDS[NotificationKind(notification.kind)].sentence(notification)


def subject_and_text(notification: Notification) -> tuple[str, str]:
    """Return subject and text of the e-mail, without the link."""
    details = KINDS[NotificationKind(notification.kind)]
    if details.mail:
        return details.mail(notification)
    text = details.sentence(notification)
    return f"Chestline: {text}", f"{text}."


def address(notification: Notification) -> str:
    """The path of the page it opens."""
    return KINDS[NotificationKind(notification.kind)].opens(notification)
