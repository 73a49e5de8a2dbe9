"""Checking the trail against itself and against the anchors kept outside the database."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from webportal.audit.models import AuditEntry, ChainHead
from webportal.audit.trail import compute_mac

START = "0" * 64


@dataclass(frozen=True)
class Finding:
    """Something wrong with the trail: where, and in plain words what."""

    sequence: int
    problem: str


@dataclass(frozen=True)
class Verdict:
    """Result of a verification: `findings` is empty when the trail is intact."""

    entries: int
    anchors: int
    findings: list[Finding]

    @property
    def intact(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


def verify(limit: int = 100) -> Verdict:
    """Recompute the chain and compare it with its head and the anchors.

    Stops after `limit` findings. Reads the whole trail once, in order.
    """
    anchors = dict(read_anchors())
    # The head is read first and bounds the walk, so that entries appended meanwhile do no harm.
    head = ChainHead.objects.get(pk=1)
    findings: list[Finding] = []
    expected, previous_mac, count = 1, START, 0
    entries = AuditEntry.objects.filter(sequence__lte=head.sequence).order_by("sequence")
    for entry in entries.iterator(chunk_size=2000):
        count += 1
        findings.extend(_check_entry(entry, expected, previous_mac))
        anchored = anchors.get(entry.sequence)
        if anchored is not None and anchored != entry.mac:
            findings.append(
                Finding(
                    entry.sequence,
                    "the entry does not match its anchor: the chain was rewritten up to here",
                )
            )
        expected, previous_mac = entry.sequence + 1, entry.mac
        if len(findings) >= limit:
            return Verdict(count, len(anchors), findings)
    findings.extend(_check_end(expected - 1, previous_mac, head, max(anchors, default=0)))
    return Verdict(count, len(anchors), findings)


def _check_entry(entry: AuditEntry, expected: int, previous_mac: str) -> Iterator[Finding]:
    if entry.sequence != expected:
        missing = (
            f"entry {expected} was deleted"
            if entry.sequence == expected + 1
            else f"entries {expected} to {entry.sequence - 1} were deleted"
        )
        yield Finding(expected, missing)
    elif entry.previous_mac != previous_mac:
        yield Finding(entry.sequence, "the entry does not follow from the one before it")
    if compute_mac(entry) != entry.mac:
        yield Finding(entry.sequence, "the entry was altered")


def _check_end(last: int, last_mac: str, head: ChainHead, last_anchor: int) -> Iterator[Finding]:
    known_end = max(head.sequence, last_anchor)
    if last < known_end:
        yield Finding(
            last + 1, f"the trail was cut off: entries {last + 1} to {known_end} are missing"
        )
    elif last_mac != head.mac:
        yield Finding(last, "the last entry is not the head of the chain")
    # One statement sees one snapshot, so an append under way is never mistaken for a stray entry.
    stray = AuditEntry.objects.filter(sequence__gt=ChainHead.objects.values("sequence")).first()
    if stray is not None:
        yield Finding(stray.sequence, "the entry stands after the head of the chain")


def anchor() -> bool:
    """Write the head of the chain to the anchor file, unless it is already there.

    Each line is `<sequence> <mac> <ISO time>`. Returns whether a line was written.
    """
    head = ChainHead.objects.get(pk=1)
    if head.sequence == 0:
        return False
    known = dict(read_anchors())
    if known.get(head.sequence) == head.mac:
        return False
    path: Path = settings.AUDIT_ANCHOR_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="ascii") as file:
        file.write(f"{head.sequence} {head.mac} {timezone.now().isoformat()}\n")
    return True


def read_anchors() -> Iterator[tuple[int, str]]:
    """Yield (sequence, mac) of every anchor; a missing file has none."""
    path: Path = settings.AUDIT_ANCHOR_FILE
    if not path.exists():
        return
    for line in path.read_text(encoding="ascii").splitlines():
        sequence, mac, _ = line.split(" ", 2)
        yield int(sequence), mac
