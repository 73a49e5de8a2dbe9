"""Problems of the audit trail that need attention, by alert code."""

from datetime import datetime

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from webportal.audit import anchors, keyring
from webportal.audit.models import AnchorState, ChainHead, Verification

NOT_INTACT = "audit_not_intact"
ANCHORS_LATE = "audit_anchors_late"
PLACE_AWAY = "audit_place_away"
KEY_WAITING = "audit_key_waiting"

WORDS: dict[str, str | Promise] = {
    NOT_INTACT: _(
        "The last verification of the audit trail found something. Keep the database and the anchor"
        " file as they are, run ‘manage.py verify_audit’, and tell an auditor."
    ),
    ANCHORS_LATE: _(
        "No anchor of the audit trail has been written for half an hour. Check that the scheduler"
        " may write AUDIT_ANCHOR_FILE; its log says what is wrong."
    ),
    PLACE_AWAY: _(
        "The second place for the anchors of the audit trail cannot be written. Check"
        " AUDIT_ANCHOR_COPY and AUDIT_ANCHOR_SYSLOG; the scheduler’s log says what is wrong."
    ),
    KEY_WAITING: _(
        "AUDIT_KEY is not the key that the audit trail has. If it is new, run ‘manage.py"
        " rotate_audit_key’ once every process has been started with it."
    ),
}


def problems() -> list[str]:
    """The codes of the problems that need attention."""
    found = []
    last = _last_verification()
    if last is not None and last.findings:
        found.append(NOT_INTACT)
    state = AnchorState.objects.filter(pk=1).first()
    if state is None or anchors.is_late(state):
        found.append(ANCHORS_LATE)
    elif state.unwritten:
        found.append(PLACE_AWAY)
    head = ChainHead.objects.filter(pk=1).first()
    if head is not None and head.key_id not in ("", keyring.configured().id):
        found.append(KEY_WAITING)
    return found


def last_verified_at() -> datetime | None:
    """When the last verification ended, whatever it found."""
    last = _last_verification()
    return last.finished_at if last else None


def last_anchor_at() -> datetime | None:
    """When the last anchor was written."""
    state = AnchorState.objects.filter(pk=1).first()
    return state.at if state else None


def _last_verification() -> Verification | None:
    return Verification.objects.exclude(finished_at=None).order_by("-finished_at").first()
