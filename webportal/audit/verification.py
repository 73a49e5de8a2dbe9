"""Checking the trail against itself and against the anchors kept outside the database."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from django.conf import settings
from django.utils import timezone

from webportal.audit import anchors, epochs, keyring
from webportal.audit.anchor_walk import AnchorWalk
from webportal.audit.chain import ChainLink, batches
from webportal.audit.erasure import MAC_DIGITS
from webportal.audit.findings import MOST, Finding, TrailVerdict
from webportal.audit.models import Action, AnchorState, AuditEntry, ChainHead

START = "0" * 64
# A stop of the scheduler, or of the machine overnight, cannot explain more than this many
# anchoring intervals without an anchor in which the trail grew.
SLOT_MICROSECONDS = int(anchors.IDLE.total_seconds()) * 1_000_000
MOST_SLOTS = int(anchors.LATE / anchors.IDLE) + 1

Progress = Callable[[int, int], object]


def verify(progress: Progress = lambda done, of: None) -> TrailVerdict:
    """Recompute the chain and compare it with its head and the anchors.

    Reads the whole trail once, in order, and calls `progress` with the numbers of entries done and
    in total. Stops after MOST findings.
    """
    while True:
        walk = _Walk()
        head = ChainHead.objects.filter(pk=1).first()
        # Unless the key was changed in between.
        if epochs.read() == walk.epochs:
            break
    if head is None:
        return TrailVerdict(0, 0, [Finding("no_head")])
    for batch in batches(head.sequence, walk.epochs):
        walk.along(batch)
        progress(walk.count, head.sequence)
        if len(walk.findings) >= MOST:
            break
    else:
        walk.end(head)
    return TrailVerdict(
        walk.count, walk.first_place.count, walk.all_findings()[:MOST], walk.remarks
    )


class _Walk:
    """The walk along the trail, with its state.

    Its bounds are read in this order: the keys, the number of the last anchor, the files, the
    chain's head. Entries appended meanwhile are therefore no problem.
    """

    def __init__(self) -> None:
        self.epochs = epochs.read()
        self.state = AnchorState.objects.filter(pk=1).first() or AnchorState()
        self.begun = anchors.beginning()
        expected = self.state.number
        self.first_place = AnchorWalk(
            "AUDIT_ANCHOR_FILE", settings.AUDIT_ANCHOR_FILE, self.begun, expected, self.epochs
        )
        self.places = [self.first_place]
        if settings.AUDIT_ANCHOR_COPY:
            copy = settings.AUDIT_ANCHOR_COPY
            self.places.append(
                AnchorWalk(
                    "AUDIT_ANCHOR_COPY",
                    copy,
                    self.begun,
                    expected,
                    self.epochs,
                    is_first_place=False,
                )
            )
        self.findings: list[Finding] = []
        self.remarks: list[Finding] = []
        self.count = 0
        self._expected, self._last_mac = 1, START
        # The number of entries read of each epoch, by its first entry.
        self._read: Counter[int] = Counter()
        self._next_anchor = self._soonest()
        self._first_at: int | None = None
        # MACs over what is left of blank entries, by the erasure that they name.
        self._blank: dict[int, dict[int, str]] = defaultdict(dict)
        self._slot = 0
        # Since the last anchor, with that of the anchor itself. Distinct ones, because clocks of
        # machines that differ take turns.
        self._slots = {0}

    def along(self, batch: list[ChainLink]) -> None:
        """Check the next entries."""
        self.count += len(batch)
        self._read[self.epochs.at(batch[0].sequence).first] += len(batch)
        if self._first_at is None:
            self._first_at = batch[0].microseconds
        expected, last_mac = self._expected, self._last_mac
        for link in batch:
            if link.sequence != expected or link.previous_mac != last_mac:
                self._report_gap(link, expected)
            if link.computed != link.mac:
                if link.computed is not None:
                    self._report_altered(link, link.computed)
            elif link.blanked is not None:
                self._check_erasure(link.sequence, link.blanked)
            slot = link.microseconds // SLOT_MICROSECONDS
            if slot != self._slot:
                self._slot = slot
                self._slots.add(slot)
            if link.sequence >= self._next_anchor:
                self._compare_anchors(link)
            expected, last_mac = link.sequence + 1, link.mac
        self._expected, self._last_mac = expected, last_mac

    def end(self, head: ChainHead) -> None:
        """Check what is after the last entry."""
        for number, blank in self._blank.items():
            # An erasure after the head was read has blanked entries that were read later.
            listed = _listed_by(number) if number > head.sequence else {}
            self.findings.extend(
                Finding("blanked", sequence)
                for sequence, left in blank.items()
                if listed.get(sequence) != left
            )
        last = self._expected - 1
        anchored = [place.end() for place in self.places]
        self.findings.extend(_check_end(last, self._last_mac, head, max(anchored)))
        self._check_keys(head)
        self.findings.extend(self._check_clock())
        if self.begun is not None and self.begun.reason:
            values = {"number": self.begun.number, "reason": self.begun.reason}
            self.remarks.append(Finding("begun_anew", values=values))

    def all_findings(self) -> list[Finding]:
        """The findings in the trail, followed by those in each of the locations."""
        return [*self.findings, *(found for place in self.places for found in place.findings)]

    def _check_keys(self, head: ChainHead) -> None:
        """Record which part was verified with which key, and which part could not be verified."""
        last = self.epochs.last
        for epoch in self.epochs.all:
            if not self._read[epoch.first]:
                continue
            values = {"last": min(epoch.last, head.sequence), "key": epoch.key_id}
            if epoch.key is None:
                values |= {"number": epoch.first}
                self.findings.append(Finding("key_missing", values=values))
            elif len(self.epochs.all) > 1:
                values |= {"first": epoch.first, "anchors": self.first_place.by_key[epoch.key_id]}
                self.remarks.append(Finding("key_of", values=values))
        if last.key is not None and not anchors.is_sealed(self.state, last.key):
            self.findings.append(Finding("state_altered"))
        if head.key_id and head.key_id != last.key_id:
            values = {"named": head.key_id, "key": last.key_id}
            self.findings.append(Finding("head_names_other_key", values=values))
        configured = keyring.configured().id
        if self.count and configured != last.key_id and last.key is not None:
            values = {"named": configured, "key": last.key_id}
            self.findings.append(Finding("key_not_begun", values=values))

    def _report_altered(self, link: ChainLink, computed: str) -> None:
        if link.sequence in self.epochs.forged:
            self.findings.append(Finding("key_change_forged", link.sequence))
        elif link.erased_by is not None and link.erased_by > link.sequence:
            self._blank[link.erased_by][link.sequence] = computed[:MAC_DIGITS]
        else:
            self.findings.append(Finding("altered", link.sequence))

    def _check_erasure(self, number: int, listed: dict[int, str]) -> None:
        """Compare the blank entries with the list of a genuine erasure."""
        blank = self._blank.pop(number, {})
        for sequence in sorted(blank.keys() | listed.keys()):
            if self.epochs.at(sequence).key is None:
                continue  # it cannot be checked
            if blank.get(sequence) != listed.get(sequence):
                code = "blanked" if sequence in blank else "not_blank"
                values = {"number": number}
                self.findings.append(Finding(code, sequence, values=values))

    def _report_gap(self, link: ChainLink, expected: int) -> None:
        if link.sequence == expected:
            self.findings.append(Finding("not_following", link.sequence))
            return
        last = link.sequence - 1
        code = "deleted" if last == expected else "deleted_range"
        self.findings.append(Finding(code, expected, values={"number": expected, "last": last}))

    def _compare_anchors(self, link: ChainLink) -> None:
        met = [place.meet(link.sequence, link.mac) for place in self.places]
        if met[0]:
            self._check_slots(link.sequence)
            self._slots = {self._slot}
        self._next_anchor = self._soonest()

    def _check_slots(self, sequence: int) -> None:
        # Before anchors were signed, or a new series began, this cannot be checked.
        is_of_now = self.begun is not None and sequence > self.begun.sequence
        if is_of_now and len(self._slots) - 1 > MOST_SLOTS:
            self.findings.append(Finding("unanchored", sequence, values=_late()))

    def _soonest(self) -> int:
        return min(place.next_sequence for place in self.places)

    def _check_clock(self) -> Iterator[Finding]:
        """Check that anchors exist at all, and that the last one is recent enough."""
        now = timezone.now()
        last = self.first_place.last
        if last is not None:
            if now - datetime.fromisoformat(last.at) > anchors.LATE:
                yield Finding("anchors_late", values={"at": last.at[:16], **_late()})
            return
        if self.state.number or self.first_place.count or self._first_at is None:
            return
        if now - datetime.fromtimestamp(self._first_at / 1e6, UTC) > anchors.LATE:
            yield Finding("anchors_never_written", values=_late())
        else:
            self.remarks.append(Finding("no_anchor_yet"))


def _listed_by(number: int) -> dict[int, str]:
    """The list of an erasure, as in `ChainLink.blanked`; empty if it is not genuine."""
    erasure = AuditEntry.objects.filter(sequence=number, action=Action.RECORDS_ERASED).first()
    if erasure is None or not epochs.read().is_genuine(erasure):
        return {}
    return dict(erasure.detail["blanked"])


def _late() -> dict[str, int]:
    minutes = int(anchors.LATE.total_seconds()) // 60
    return {"minutes": minutes, "due": int(anchors.IDLE.total_seconds()) // 60}


def _check_end(last: int, last_mac: str, head: ChainHead, last_anchor: int) -> Iterator[Finding]:
    known_end = max(head.sequence, last_anchor)
    if last < known_end:
        values = {"number": last + 1, "last": known_end}
        yield Finding("cut_off", last + 1, values=values)
    elif last_mac != head.mac:
        yield Finding("not_the_head", last)
    # One statement sees one snapshot, so a concurrent append is never mistaken for a stray entry.
    stray = AuditEntry.objects.filter(sequence__gt=ChainHead.objects.values("sequence")).first()
    if stray is not None:
        yield Finding("after_the_head", stray.sequence)
