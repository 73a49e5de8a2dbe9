"""Starting and ending a shadow trial."""

import uuid
from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from ml.serving.package import PackageError
from webportal.accounts.models import User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.inference.models import ModelVersion
from webportal.inference.registry import verified_package
from webportal.oversight.models import Shadow, ShadowEnd, ShadowState
from webportal.oversight.shadow.work import MOST_LOST_BATCHES
from webportal.refusals import Conflict
from webportal.review.reads.authentication import Secret, confirm_signer


class ShadowError(Conflict):
    """The trial cannot be started; the message says why."""


def start(model: ModelVersion, share: int, ends_at: datetime, secret: Secret, by: User) -> Shadow:
    """Let workers run a version in shadow mode, on `share` % of the new studies.

    Raises AccountError if password or passkey is wrong, and ShadowError if another trial is
    running, or the version is active or cannot be run.
    """
    confirm_signer(by, secret, pin_is_open=False)
    try:
        verified_package(model)
    except PackageError as error:
        why = _(error.message).format(**error.values)
        raise ShadowError(_("It cannot be run. %(why)s") % {"why": why}) from error
    with transaction.atomic():
        # Serialised with activations, which lock the versions in the same order.
        versions = list(ModelVersion.objects.select_for_update(no_key=True).order_by("pk"))
        active = next((version for version in versions if version.is_active), None)
        close_if_over()
        if Shadow.objects.filter(ended_at=None).exists():
            raise ShadowError(
                _("A version is already running in shadow mode. End that trial first.")
            )
        if active is None or active == model:
            raise ShadowError(_("Choose a version other than the active one."))
        now = timezone.now()
        shadow = Shadow.objects.create(
            model_version=model,
            beside=active,
            share=share,
            started_at=now,
            started_by=by,
            ends_at=ends_at,
            planned_until=now,
        )
        detail = {
            "version": model.version,
            "package_sha256": model.package_sha256,
            "beside": active.version,
            "share": share,
            "ends_at": ends_at.isoformat(),
        }
        append(Event(Action.SHADOW_STARTED, "shadow", shadow.pk, detail=detail), by)
    return shadow


def stop(shadow: Shadow, secret: Secret, by: User) -> bool:
    """End a trial; return False if it has ended already.

    Raises AccountError if password or passkey is wrong.
    """
    confirm_signer(by, secret, pin_is_open=False)
    return end(shadow.pk, ShadowEnd.STOPPED, by)


def close_if_over() -> None:
    """End the trial whose time is over, or whose active version is active no more."""
    for shadow in Shadow.objects.filter(ended_at=None).select_related("beside"):
        if not shadow.is_open:
            end(shadow.pk, ShadowEnd.OVER)
        elif not shadow.beside.is_active:
            end(shadow.pk, ShadowEnd.ACTIVATED)
        elif shadow.lost_batches >= MOST_LOST_BATCHES:
            end(shadow.pk, ShadowEnd.WORKERS_LOST)


@transaction.atomic
def end(shadow_id: uuid.UUID, reason: ShadowEnd, by: User | None = None) -> bool:
    """Mark a trial as ended; return False if it is already.

    Waiting images are dropped; results of images that a worker has begun no longer count.
    """
    shadow = Shadow.objects.select_for_update().get(pk=shadow_id)
    if shadow.ended_at is not None:
        return False
    shadow.ended_at, shadow.end, shadow.ended_by = timezone.now(), reason, by
    shadow.save(update_fields=["ended_at", "end", "ended_by"])
    shadow.results.filter(state__in=[ShadowState.WAITING, ShadowState.RUNNING]).delete()
    detail = {"version": shadow.model_version.version, "reason": reason.value}
    append(Event(Action.SHADOW_ENDED, "shadow", shadow.pk, detail=detail), by)
    return True
