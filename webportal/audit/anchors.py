"""Anchors: the head of the chain, recorded at intervals where database access does not reach.

Each is a line `<number> <sequence> <mac> <ISO time> <previous> <signature>`: it is numbered,
contains the signature of its predecessor, and is signed with the key of its entry. The database
keeps the number of the last one, sealed with a key derived from the one in use, so that lines
removed from the end of the file are noticed. A head that has not changed is anchored, too, only
less often, so that the age of the last anchor can be checked against the clock.

Unsigned anchors, written by earlier releases, are `<sequence> <mac> <ISO time>`. They count until
the first signed one, which covers the file up to it.
"""

import hashlib
import hmac
import logging
import os
import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from webportal.audit import epochs, syslog
from webportal.audit.keyring import Key, keyed_hash
from webportal.audit.models import Action, AnchorState, AuditEntry, ChainHead
from webportal.audit.trail import Event, append

logger = logging.getLogger(__name__)

# An unchanged head is anchored again after this long; see ANCHOR_SECONDS for a changed one.
IDLE = timedelta(minutes=10)
# An anchor older than this is overdue, however busy the scheduler may have been.
LATE = timedelta(minutes=30)
NOTHING_BEFORE = "0" * 32
_LONGEST_LINE = 512
_SIGNED = re.compile(
    r"([1-9][0-9]{0,17}) ([1-9][0-9]{0,17}) ([0-9a-f]{64}) (\S+) ([0-9a-f]{32}) ([0-9a-f]{32})"
)
_UNSIGNED = re.compile(r"([1-9][0-9]{0,17}) ([0-9a-f]{64}) (\S+)")


@dataclass(frozen=True)
class Anchor:
    """One anchor. An unsigned one has the number 0 and an empty signature."""

    sequence: int
    mac: str
    at: str
    number: int = 0
    previous: str = ""
    signature: str = ""

    @classmethod
    def parse(cls, line: str) -> "Anchor | None":
        """The anchor on a line, None if it is not one."""
        if found := _SIGNED.fullmatch(line):
            number, sequence, mac, at, previous, signature = found.groups()
            return cls(int(sequence), mac, at, int(number), previous, signature)
        if found := _UNSIGNED.fullmatch(line):
            return cls(int(found[1]), found[2], found[3])
        return None

    @property
    def line(self) -> str:
        """A signed anchor as a line, which `parse` reads."""
        return f"{self._content} {self.signature}"

    def is_from_before(self, time: datetime) -> bool:
        """Whether its time is before another, give or take LATE for clock differences."""
        try:
            return datetime.fromisoformat(self.at) < time + LATE
        except (ValueError, TypeError):
            return False

    def is_signed_with(self, key: Key) -> bool:
        """Whether it was signed with this key."""
        return hmac.compare_digest(self.signature, _hmac("anchor", self._content, key))

    def signed(self, key: Key) -> "Anchor":
        """The same anchor, signed."""
        return replace(self, signature=_hmac("anchor", self._content, key))

    @property
    def _content(self) -> str:
        return f"{self.number} {self.sequence} {self.mac} {self.at} {self.previous}"


@dataclass(frozen=True)
class Beginning:
    """The first expected anchor: its number, its entry, and why it is not number 1."""

    number: int
    sequence: int
    reason: str


def beginning() -> Beginning | None:
    """Where the current series of anchors begins, according to the trail; None if unsigned."""
    keys = epochs.read()
    for entry in AuditEntry.objects.filter(action=Action.ANCHORS_BEGUN).order_by("-sequence"):
        # A forged entry is reported separately, and must not hide the anchors. An entry that cannot
        # be verified because its key is missing counts: the missing key is a finding of its own.
        if keys.at(entry.sequence).key is None or keys.is_genuine(entry):
            detail = entry.detail
            return Beginning(detail["first"], entry.sequence, detail.get("reason", ""))
    return None


def anchor() -> bool:
    """Write the head of the chain to every location, unless that was done recently.

    Returns whether an anchor was written. Raises OSError if AUDIT_ANCHOR_FILE cannot be written;
    failures of the other locations are logged, and recorded for the alert to hospital IT. Raises
    MissingKeyError if the key of the chain is not configured.
    """
    if not ChainHead.objects.filter(pk=1, sequence__gt=0).exists():
        return False
    if not AnchorState.objects.filter(number__gt=0).exists() and beginning() is None:
        _begin()
    # Only a committed head may be anchored: an anchor of an entry that is rolled back later would
    # look like a truncated trail.
    with transaction.atomic():
        state = AnchorState.objects.select_for_update().get(pk=1)
        head = ChainHead.objects.get(pk=1)
        key = epochs.key_of_head(head.sequence, head.key_id)
        if not _is_due(state, head):
            return False
        written = _next(state, head, key)
        _write(settings.AUDIT_ANCHOR_FILE, written.line)
        unwritten = [name for name, write in _further_places() if not _tried(name, write, written)]
        # A tampered state stays unchanged, to be found by verification.
        if is_sealed(state, key):
            _keep(state, written, unwritten, key)
    return True


def restart(reason: str) -> None:
    """Start a new series of anchors with the next one, and record the reason in the trail.

    For use after a backup was restored, or anchors were lost: the older ones stay in place but are
    no longer compared.
    """
    _begin(reason)
    anchor()


@transaction.atomic
def _begin(reason: str = "") -> None:
    state = AnchorState.objects.select_for_update().get(pk=1)
    last = _last_in(settings.AUDIT_ANCHOR_FILE)
    number = max(state.number, last.number if last is not None else 0)
    _keep(state, Anchor(0, "", "", number), [], epochs.current_key())
    why = {"reason": reason} if reason else {}
    append(Event(Action.ANCHORS_BEGUN, detail={"first": number + 1, **why}))


def lines_until(number: int) -> bytes | None:
    """The anchors up to a number, as in AUDIT_ANCHOR_FILE; None if that one is missing.

    Unsigned anchors of earlier releases are included.
    """
    path: Path = settings.AUDIT_ANCHOR_FILE
    if not path.exists():
        return None
    kept, is_there = [], number == 0
    for line in path.read_bytes().splitlines(keepends=True):
        found = _number(line.decode("ascii", errors="replace"))
        if found > number:
            break
        kept.append(line)
        is_there = is_there or found == number
    return b"".join(kept) if is_there else None


def is_sealed(state: AnchorState, key: Key) -> bool:
    """Whether the state is unchanged since this module wrote it, under the key in use."""
    if state.number == 0 and not state.seal:
        return beginning() is None
    return hmac.compare_digest(state.seal, _seal(state, key))


def reseal(old: Key, new: Key) -> None:
    """Seal the state with the new key; an altered state stays unsealed, for verification to report.

    Holds the lock of the state, as whoever writes an anchor does, until the transaction ends.
    """
    state = AnchorState.objects.select_for_update().get(pk=1)
    if state.seal and is_sealed(state, old):
        state.seal = _seal(state, new)
        state.save(update_fields=["seal"])


def is_late(state: AnchorState) -> bool:
    """Whether an anchor is overdue."""
    return state.at is not None and timezone.now() - state.at > LATE


def _is_due(state: AnchorState, head: ChainHead) -> bool:
    last = _last_in(settings.AUDIT_ANCHOR_FILE)
    if last is None or last.number == 0 or state.at is None:
        return True
    if (last.sequence, last.mac) != (head.sequence, head.mac) or _copy_lags(last):
        return True
    return timezone.now() - state.at >= IDLE


def _copy_lags(last: Anchor) -> bool:
    copy: Path | None = settings.AUDIT_ANCHOR_COPY
    if copy is None:
        return False
    copied = _last_in(copy)
    return copied is None or copied.number < last.number


def _next(state: AnchorState, head: ChainHead, key: Key) -> Anchor:
    last = _last_in(settings.AUDIT_ANCHOR_FILE)
    at = timezone.now().isoformat()
    number, previous = state.number, state.signature or NOTHING_BEFORE
    # A line written just before a crash, but not recorded in the database.
    if last is not None and last.number > number:
        number, previous = last.number, last.signature
    if number == 0:
        previous = _digest_of(settings.AUDIT_ANCHOR_FILE)
    return Anchor(head.sequence, head.mac, at, number + 1, previous).signed(key)


def _digest_of(path: Path) -> str:
    """What anchor 1 contains for the file before it."""
    before = path.read_bytes() if path.exists() else b""
    if before and not before.endswith(b"\n"):
        before += b"\n"
    return hashlib.sha256(before).hexdigest()[:32]


def _keep(state: AnchorState, anchor: Anchor, unwritten: list[str], key: Key) -> None:
    state.number, state.signature = anchor.number, anchor.signature
    state.at, state.unwritten = timezone.now(), ",".join(unwritten)
    state.seal = _seal(state, key)
    state.save()


def _seal(state: AnchorState, key: Key) -> str:
    # Derived under a different name than the lines, so that no line can be turned into a state.
    return _hmac("state", f"{state.number} {state.signature}", key)


def _hmac(name: str, content: str, key: Key) -> str:
    return keyed_hash(name, content.encode(), key)[:32]


def _write(path: Path, line: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        end = _end_of(file)
        # A line truncated by a crash must not spoil the next one.
        start = "" if not end or end.endswith("\n") else "\n"
        file.write(f"{start}{line}\n".encode("ascii"))
        file.flush()
        os.fsync(file.fileno())


def _further_places() -> list[tuple[str, Any]]:
    places: list[tuple[str, Any]] = []
    if settings.AUDIT_ANCHOR_COPY:
        places.append(("AUDIT_ANCHOR_COPY", _write_copy))
    if settings.AUDIT_ANCHOR_SYSLOG:
        places.append(("AUDIT_ANCHOR_SYSLOG", lambda written: syslog.send(written.line)))
    return places


def _tried(name: str, write: Any, written: Anchor) -> bool:
    try:
        write(written)
    except OSError as error:
        logger.error("An anchor of the audit trail cannot be written to %s: %s", name, error)
        return False
    return True


def _write_copy(written: Anchor) -> None:
    """Write an anchor to the second file, preceded by those missing at its end."""
    copy = settings.AUDIT_ANCHOR_COPY
    assert copy is not None
    last = _last_in(copy)
    if last is not None and last.number == written.number - 1:
        return _write(copy, written.line)
    known = last.number if last is not None else -1
    with settings.AUDIT_ANCHOR_FILE.open(encoding="ascii", errors="replace") as lines:
        missing = [line.rstrip("\n") for line in lines if _number(line) > known]
    return _write(copy, "\n".join(missing) if missing else written.line)


def _number(line: str) -> int:
    parsed = Anchor.parse(line.rstrip("\n"))
    return parsed.number if parsed is not None else -1


def _last_in(path: Path) -> Anchor | None:
    """The anchor in the last whole line of a file."""
    if not path.exists():
        return None
    with path.open("rb") as file:
        lines = _end_of(file).splitlines()
    return next((found for line in reversed(lines) if (found := Anchor.parse(line))), None)


def _end_of(file: Any) -> str:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _LONGEST_LINE))
    end: bytes = file.read()
    return end.decode("ascii", errors="replace")
