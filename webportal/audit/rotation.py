"""Changing the key of the trail."""

from typing import Any

from django.db import transaction

from webportal import keys
from webportal.audit import anchors, epochs, keyring
from webportal.audit.models import Action, AuditEntry
from webportal.audit.trail import Event, append_all, lock_head


class RotationError(Exception):
    """The key cannot be changed; the message says why and what to do."""


@transaction.atomic
def rotate(actor: Any = None) -> AuditEntry:
    """Continue the trail with AUDIT_KEY; return the entry that records it, the first one under it.

    From then on a process without this key cannot append. The previous key must be in
    AUDIT_OLD_KEYS. Raises RotationError, RefusedKeyError, or MissingKeyError.
    """
    new = keyring.configured()
    # Locked before the chain's head, as when anchors are written.
    old = epochs.current_key()
    if new == old:
        raise RotationError(
            f"AUDIT_KEY is the key that the trail has already ({old.id}). Set AUDIT_KEY to a new"
            " key (openssl rand -hex 32) and AUDIT_OLD_KEYS to the one that it was until now,"
            " start every process again, and then run this."
        )
    keys.check_audit_key(is_in_use=False)
    _refuse_former(new)
    anchors.reseal(old, new)
    sequence, mac, named = lock_head()
    if epochs.key_of_head(sequence, named) != old:
        raise RotationError("The key was changed at the same moment by somebody else.")
    detail = epochs.detail_of_change(mac, sequence + 1, new, old)
    [entry] = append_all([Event(Action.AUDIT_KEY_CHANGED, detail=detail)], actor, under=new)
    return entry


def replace_lost(reason: str, actor: Any = None) -> AuditEntry:
    """Continue the trail with AUDIT_KEY although its present key is lost; return the entry.

    The entry has the reason instead of a proof by the lost key, and a new series of anchors begins.
    Entries under the lost key can no longer be verified, and never count as intact. Raises
    RotationError or RefusedKeyError.
    """
    entry = _replace_lost(reason, actor)
    # Only a committed head is anchored.
    anchors.restart(reason)
    return entry


@transaction.atomic
def _replace_lost(reason: str, actor: Any) -> AuditEntry:
    new = keyring.configured()
    sequence, _mac, named = lock_head()
    try:
        held = epochs.key_of_head(sequence, named)
    except keyring.MissingKeyError as error:
        lost = error.key_id
    else:
        raise RotationError(
            f"The key of the trail, {held.id}, is not lost: it is AUDIT_KEY or in AUDIT_OLD_KEYS."
        )
    keys.check_audit_key(is_in_use=False)
    # A trail whose key was never named has never changed it.
    if named:
        _refuse_former(new)
    detail = {"key": new.id, "previous_key": lost, "lost": reason}
    [entry] = append_all([Event(Action.AUDIT_KEY_CHANGED, detail=detail)], actor, under=new)
    return entry


def _refuse_former(new: keyring.Key) -> None:
    had = epochs.read().all
    if new.id in {epoch.key_id for epoch in had} or new.text in {
        epoch.key.text for epoch in had if epoch.key is not None
    }:
        raise RotationError(
            f"The trail has had the key {new.id} before. Set AUDIT_KEY to a new one."
        )
