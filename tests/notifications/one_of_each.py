"""Make a notification of any kind."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from tests.factories import make_study
from webportal.accounts.models import RequestOutcome, Role, RoleRequest, User
from webportal.intake.batches.services import create_batch
from webportal.notifications.models import (
    ACCOUNT_KINDS,
    COUNTED_KINDS,
    EMERGENCY_KINDS,
    ROLE_KINDS,
    Notification,
    NotificationKind,
    SystemAlert,
)
from webportal.records.identity import shown_identity
from webportal.records.models import EmergencyAccess, IdentityCorrection
from webportal.review.models import Decision, Pneumonia, Read, ReadState


def make_notification(kind: NotificationKind, recipient: User) -> Notification:
    """A notification of two studies, or of one thing, depending on its kind."""
    return Notification.objects.create(recipient=recipient, kind=kind, **_thing(kind, recipient))


def _thing(kind: NotificationKind, recipient: User) -> dict[str, Any]:
    now = timezone.now()
    if kind in COUNTED_KINDS:
        return {"studies": 2, "counted_until": now}
    if kind == NotificationKind.STAT_UNREAD:
        return {"studies": 2, "waiting_since": now}
    if kind == NotificationKind.BATCH_DONE:
        return {"batch": create_batch(recipient)}
    if kind == NotificationKind.READ_OVERRULED:
        return {"study": make_study()}
    if kind == NotificationKind.IDENTITY_CORRECTED:
        return {"correction": _correction(recipient)}
    if kind in EMERGENCY_KINDS:
        return {"emergency": make_emergency()}
    if kind in ROLE_KINDS:
        return {"role_request": _role_request(kind, recipient)}
    if kind in ACCOUNT_KINDS:
        return {}
    return {"alert": SystemAlert.objects.create(code="quarantined", since=now)}


def _role_request(kind: NotificationKind, recipient: User) -> RoleRequest:
    is_decided = kind == NotificationKind.ROLES_DECIDED
    return RoleRequest.objects.create(
        user=make_study().created_by,
        roles=[Role.RADIOLOGIST],
        requested_by=recipient,
        requested_at=timezone.now(),
        outcome=RequestOutcome.REJECTED if is_decided else "",
        decided_at=timezone.now() if is_decided else None,
    )


def make_emergency() -> EmergencyAccess:
    """An access that somebody else has begun."""
    now = timezone.now()
    study = make_study()
    return EmergencyAccess.objects.create(
        person=study.created_by,
        patient=study.patient,
        reason="Trauma room",
        began_at=now,
        ends_at=now + timedelta(hours=1),
    )


def _correction(reader: User) -> IdentityCorrection:
    study = make_study()
    Read.objects.create(
        study=study,
        reader=reader,
        state=ReadState.SIGNED,
        decision=Decision.UNAIDED,
        pneumonia=Pneumonia.NONE,
        signed_at=timezone.now(),
    )
    identity = shown_identity(study.patient)
    correction = IdentityCorrection.objects.create(
        before=identity,
        after=identity | {"name": "Phantom^Ewa"},
        reason="Mistyped.",
        corrected_by=study.created_by,
        at=timezone.now(),
    )
    correction.studies.add(study)
    return correction
