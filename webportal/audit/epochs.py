"""Epochs: which entries of the trail have which key, according to the trail itself.

A change of the key is an entry. It is the first one under the new key, whose MAC it has, and it
carries a proof by the previous key. It names both keys, and whoever has either of them can tell
whether it is genuine. If the previous key was lost, the entry says so instead of carrying a proof;
if that key is found again, it verifies its part.
"""

import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from webportal.audit.keyring import Key, MissingKeyError, configured, keyed_hash, ring
from webportal.audit.macs import compute_mac
from webportal.audit.models import Action, AuditEntry, ChainHead

_END = 2**63 - 1
_WITNESSES = 10
#: In place of the name of a key that an earlier release used and that is missing.
_UNNAMED = "of an earlier release"


@dataclass(frozen=True)
class Epoch:
    """Consecutive entries with one key, which is None if this process does not have it."""

    first: int
    last: int
    key_id: str
    key: Key | None
    #: When the key was given up, according to the entry that changed it; None for the current one.
    until: datetime | None = None


@dataclass(frozen=True)
class Epochs:
    """All epochs in order; `forged` are entries that only claim to change the key."""

    all: tuple[Epoch, ...]
    forged: frozenset[int] = frozenset()

    def at(self, sequence: int) -> Epoch:
        """The epoch of an entry."""
        return next(epoch for epoch in reversed(self.all) if epoch.first <= sequence)

    @property
    def last(self) -> Epoch:
        """The epoch of the entries to come."""
        return self.all[-1]

    def is_genuine(self, entry: AuditEntry) -> bool:
        """Whether an entry's MAC matches its content, under the key of its epoch."""
        key = self.at(entry.sequence).key
        return key is not None and hmac.compare_digest(compute_mac(entry, key), entry.mac)

    def key_at(self, sequence: int) -> Key:
        """The key of an entry. Raises MissingKeyError if this process does not have it."""
        epoch = self.at(sequence)
        if epoch.key is None:
            raise MissingKeyError(epoch.key_id)
        return epoch.key

    def keys_at(self, sequence: int) -> list[Key]:
        """The keys that may have signed an anchor of this entry.

        The entry's own key, and keys that the trail has never used: if the end of the trail is
        missing, so is the change to them. A key that was given up signs nothing later, neither as
        it was nor in the form with a line feed, which the ring also has.
        """
        known = {epoch.key.text for epoch in self.all if epoch.key is not None}
        unused = [key for key in ring().values() if key.text not in known]
        own = self.at(sequence).key
        return [own, *unused] if own is not None else unused


def read() -> Epochs:
    """The epochs, from the entries that change the key.

    They are read from the last one back, because each vouches for the key before it.
    """
    keys = ring()
    named = ChainHead.objects.filter(pk=1).values_list("key_id", flat=True).first() or ""
    changes = AuditEntry.objects.filter(action=Action.AUDIT_KEY_CHANGED).order_by("-sequence")
    epochs: list[Epoch] = []
    forged, expected, last = set(), "", _END
    until: datetime | None = None
    for entry in changes:
        new_id, old_id = _names(entry)
        verdict = _is_genuine(entry, keys.get(new_id), keys.get(old_id))
        follows = new_id == (expected or (named if verdict is None else new_id))
        if verdict is False or not follows:
            forged.add(entry.sequence)
            continue
        epochs.insert(0, Epoch(entry.sequence, last, new_id, keys.get(new_id), until))
        expected, last, until = old_id, entry.sequence - 1, entry.at
    if expected in ("", _UNNAMED):
        expected = _only_key(keys, "" if expected else named, last) or expected
    first = expected or named or configured().id
    epochs.insert(0, Epoch(1, last, first, keys.get(first), until))
    return Epochs(tuple(epochs), frozenset(forged))


def key_of_head(sequence: int, key_id: str) -> Key:
    """The key with which the chain continues, according to its head.

    The head of an earlier release does not name its key: it is that of its entries. Raises
    MissingKeyError if this process does not have it.
    """
    keys = ring()
    if key_id:
        name = key_id
    elif sequence:
        name = _only_key(keys, "") or _UNNAMED
    else:
        name = configured().id
    if name not in keys:
        raise MissingKeyError(name)
    return keys[name]


def current_key() -> Key:
    """The key with which the chain continues. Raises MissingKeyError if it is missing here."""
    head = ChainHead.objects.get(pk=1)
    return key_of_head(head.sequence, head.key_id)


def detail_of_change(previous_mac: str, sequence: int, new: Key, old: Key) -> dict[str, str]:
    """The details of an entry that changes the key."""
    proof = _proof(previous_mac, sequence, new.id, old)
    return {"key": new.id, "previous_key": old.id, "proof": proof}


def _proof(previous_mac: str, sequence: int, new_id: str, old: Key) -> str:
    """The previous key's proof of the change to the next one."""
    return keyed_hash("change of key", f"{previous_mac} {sequence} {new_id}".encode(), old)


def _names(entry: AuditEntry) -> tuple[str, str]:
    detail: Any = entry.detail if isinstance(entry.detail, dict) else {}
    return str(detail.get("key", "")), str(detail.get("previous_key", ""))


def _is_genuine(entry: AuditEntry, new: Key | None, old: Key | None) -> bool | None:
    """Whether both keys that an entry names have signed it, as far as this process has them.

    None if it has neither.
    """
    if new is not None and not hmac.compare_digest(compute_mac(entry, new), entry.mac):
        return False
    if new is not None and (old is None or "lost" in entry.detail):
        return True
    if old is None:
        return None
    proof = _proof(entry.previous_mac, entry.sequence, _names(entry)[0], old)
    return hmac.compare_digest(str(entry.detail.get("proof", "")).encode(), proof.encode())


def _only_key(keys: dict[str, Key], named: str, until: int = _END) -> str:
    """The name of the key that the entries up to `until` have by themselves; '' if unknown here.

    That is a key under which an entry verifies, whatever the head names: an altered head must not
    make every entry look altered, nor must a single altered entry that is the whole trail.
    """
    entries = AuditEntry.objects.filter(sequence__lte=until).order_by("sequence")
    witnesses = [*entries[:1], *entries.reverse()[:_WITNESSES]]
    for key in sorted(keys.values(), key=lambda key: key.id != named):
        if any(hmac.compare_digest(compute_mac(each, key), each.mac) for each in witnesses):
            return key.id
    return ""
