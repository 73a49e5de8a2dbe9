"""Checking the trail against itself and against the anchors kept outside the database."""

import os
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import IntegrityError
from django.utils import timezone
from django.utils.translation import gettext as _

from webportal.audit.models import Action, AuditEntry, ChainHead
from webportal.audit.trail import Event, append, compute_mac

START = "0" * 64
_LONGEST_LINE = 256
_ANCHOR = re.compile(r"([1-9][0-9]{0,17}) ([0-9a-f]{64}) \S+")


@dataclass(frozen=True)
class Finding:
    """Something wrong with the trail: where, and in plain words, in the language of the page, what.

    `sequence` is 0 when the anchor file or the chain's head is wrong and not an entry.
    """

    sequence: int
    problem: str

    def __str__(self) -> str:
        if not self.sequence:
            return self.problem
        return _("entry {number}: {problem}").format(number=self.sequence, problem=self.problem)


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


def verify_and_record(actor: Any = None) -> Verdict:
    """Verify the trail and append that it was verified, by whom and with which verdict.

    Where the trail takes no entry any more, the verdict says so instead.
    """
    verdict = verify()
    detail = {"intact": verdict.intact, "findings": len(verdict.findings)}
    try:
        append(Event(Action.AUDIT_VERIFIED, detail=detail), actor)
    except IntegrityError:
        problem = _(
            "the head of the chain does not match the last entry, so that nothing can be appended;"
            " this verification is not in the trail"
        )
        return replace(verdict, findings=[*verdict.findings, Finding(0, problem)])
    return verdict


def verify(limit: int = 100) -> Verdict:
    """Recompute the chain and compare it with its head and the anchors.

    Stops after `limit` findings. Reads the whole trail once, in order.
    """
    anchors = read_anchors()
    # The head is read first and bounds the walk, so that entries appended meanwhile do no harm.
    head = ChainHead.objects.get(pk=1)
    findings = list(anchors.findings)
    expected, previous_mac, count = 1, START, 0
    entries = AuditEntry.objects.filter(sequence__lte=head.sequence).order_by("sequence")
    for entry in entries.iterator(chunk_size=2000):
        count += 1
        findings.extend(_check_entry(entry, expected, previous_mac))
        if anchors.macs.get(entry.sequence, {entry.mac}) != {entry.mac}:
            problem = _("the entry does not match its anchor: the chain was rewritten up to here")
            findings.append(Finding(entry.sequence, problem))
        expected, previous_mac = entry.sequence + 1, entry.mac
        if len(findings) >= limit:
            return Verdict(count, len(anchors.macs), findings)
    findings.extend(_check_end(expected - 1, previous_mac, head, max(anchors.macs, default=0)))
    return Verdict(count, len(anchors.macs), findings)


def _check_entry(entry: AuditEntry, expected: int, previous_mac: str) -> Iterator[Finding]:
    if entry.sequence != expected:
        last = entry.sequence - 1
        missing = (
            _("entry {number} was deleted")
            if last == expected
            else _("entries {number} to {last} were deleted")
        )
        yield Finding(expected, missing.format(number=expected, last=last))
    elif entry.previous_mac != previous_mac:
        yield Finding(entry.sequence, _("the entry does not follow from the one before it"))
    if compute_mac(entry) != entry.mac:
        yield Finding(entry.sequence, _("the entry was altered"))


def _check_end(last: int, last_mac: str, head: ChainHead, last_anchor: int) -> Iterator[Finding]:
    known_end = max(head.sequence, last_anchor)
    if last < known_end:
        problem = _("the trail was cut off: entries {number} to {last} are missing")
        yield Finding(last + 1, problem.format(number=last + 1, last=known_end))
    elif last_mac != head.mac:
        yield Finding(last, _("the last entry is not the head of the chain"))
    # One statement sees one snapshot, so an append under way is never mistaken for a stray entry.
    stray = AuditEntry.objects.filter(sequence__gt=ChainHead.objects.values("sequence")).first()
    if stray is not None:
        yield Finding(stray.sequence, _("the entry stands after the head of the chain"))


def anchor() -> bool:
    """Write the head of the chain to the anchor file, unless it is already there.

    Each line is `<sequence> <mac> <ISO time>`. Returns whether a line was written.
    """
    head = ChainHead.objects.get(pk=1)
    if head.sequence == 0:
        return False
    path: Path = settings.AUDIT_ANCHOR_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _LONGEST_LINE))
        end = file.read().decode("ascii", errors="replace")
        last = end.splitlines()[-1] if end else ""
        if last.startswith(f"{head.sequence} {head.mac} "):
            return False
        # A line that a crash cut short must not spoil the next one.
        start = "" if not end or end.endswith("\n") else "\n"
        line = f"{start}{head.sequence} {head.mac} {timezone.now().isoformat()}\n"
        file.write(line.encode("ascii"))
        file.flush()
        os.fsync(file.fileno())
    return True


@dataclass(frozen=True)
class Anchors:
    """The anchor file: MACs by sequence (more than one is a contradiction), and bad lines."""

    macs: dict[int, set[str]]
    findings: list[Finding]


def read_anchors() -> Anchors:
    """Read the anchor file; a missing file has no anchors."""
    path: Path = settings.AUDIT_ANCHOR_FILE
    macs: dict[int, set[str]] = defaultdict(set)
    bad_lines = []
    if path.exists():
        lines = path.read_text(encoding="ascii", errors="replace").splitlines()
        for number, line in enumerate(lines, start=1):
            if match := _ANCHOR.fullmatch(line):
                macs[int(match[1])].add(match[2])
            else:
                bad_lines.append(str(number))
    if not bad_lines:
        return Anchors(macs, [])
    shown = ", ".join(bad_lines[:5]) + (" …" if len(bad_lines) > 5 else "")
    problem = _("the anchor file is damaged: {count} unreadable (line {lines})")
    return Anchors(macs, [Finding(0, problem.format(count=len(bad_lines), lines=shown))])
