"""Comparing the anchors of one file with the trail in a single ordered pass over both."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from webportal.audit.anchors import Anchor, Beginning
from webportal.audit.epochs import Epochs
from webportal.audit.findings import Finding

NONE_LEFT = 2**63


class AnchorWalk:
    """The anchors of one file.

    Made before the chain's head is read: anchors appended to the file meanwhile are ignored.

    Args:
        place: the name of the file's setting, for findings.
        path: the file.
        begun: the number of the first anchor expected; None if none was ever signed.
        expected: the number of the last anchor, according to the database.
        epochs: the keys of the entries, and thereby of the anchors.
        is_first_place: whether the file also has the anchors from before they were signed.
    """

    def __init__(
        self,
        place: str,
        path: Path,
        begun: Beginning | None,
        expected: int,
        epochs: Epochs,
        *,
        is_first_place: bool = True,
    ) -> None:
        self.findings: list[Finding] = []
        self.count = 0
        self.last: Anchor | None = None
        #: The number of anchors verified with each key, by its name.
        self.by_key: Counter[str] = Counter()
        self.is_there = path.exists()
        self._place, self._path = place, path
        self._begun, self._expected = begun, expected
        self._epochs, self._is_first_place = epochs, is_first_place
        self._unverified: list[Anchor] = []
        self._size = path.stat().st_size if self.is_there else 0
        self._bad_lines: list[int] = []
        self._anchors = self._read() if self.is_there else iter(())
        self._next: Anchor | None = None
        self._step()

    @property
    def next_sequence(self) -> int:
        """The entry that the next anchor refers to."""
        return self._next.sequence if self._next is not None else NONE_LEFT

    def meet(self, sequence: int, mac: str) -> bool:
        """Compare an entry with its anchors; returns whether it has any.

        Called once the walk along the trail has reached or passed `next_sequence`.
        """
        is_anchored = False
        while self._next is not None and self._next.sequence <= sequence:
            if self._next.sequence == sequence:
                is_anchored = True
                if self._next.mac != mac:
                    self._report("other_than_anchored", sequence)
            self._step()
        return is_anchored

    def end(self) -> int:
        """Read the remaining anchors, record missing ones, and return the last anchored entry."""
        last = 0
        while self._next is not None:
            last = self._next.sequence
            self._step()
        if self._bad_lines:
            lines = ", ".join(map(str, self._bad_lines[:5]))
            lines += " …" if len(self._bad_lines) > 5 else ""
            self._report("anchors_damaged", count=len(self._bad_lines), lines=lines)
        if self._unverified:
            self._report_unverified()
        number = self.last.number if self.last is not None else 0
        first = self._begun.number if self._begun is not None else 1
        if number < self._expected and self._expected >= first:
            if number == 0:
                self._report("anchors_gone", last=self._expected)
            else:
                self._report("anchors_missing", number=number + 1, last=self._expected)
        return last

    def _report(self, code: str, sequence: int = 0, **values: object) -> None:
        if not sequence:
            values["place"] = self._place
        self.findings.append(Finding(code, sequence, values=values))

    def _step(self) -> None:
        self._next = next(self._anchors, None)
        if self._next is not None:
            self.count += 1

    def _read(self) -> Iterator[Anchor]:
        """The anchors that count, each checked against its predecessor."""
        digest, read = hashlib.sha256(), 0
        with self._path.open("rb") as file:
            for line_number, line in enumerate(file, start=1):
                read += len(line)
                if read > self._size:
                    return
                anchor = Anchor.parse(line.decode("ascii", errors="replace").rstrip("\n"))
                if anchor is None:
                    self._bad_lines.append(line_number)
                elif self._counts(anchor, line_number, digest.hexdigest()[:32]):
                    yield anchor
                if self.last is None:
                    digest.update(line)

    def _counts(self, anchor: Anchor, line_number: int, before: str) -> bool:
        """Whether an anchor is to be compared with the trail; records problems with it."""
        first = self._begun.number if self._begun is not None else 1
        if not anchor.number:
            if self.last is not None:
                self._report("anchor_unsigned", number=line_number)
            return self.last is None and first == 1
        if anchor.number < first:
            return False
        if not self._is_verified(anchor):
            return False
        if self.last is None:
            self._check_first(anchor, first, before)
        else:
            self._check_following(anchor, self.last)
        self.last = anchor
        return True

    def _is_verified(self, anchor: Anchor) -> bool:
        """Whether an anchor is signed; one whose key is missing, so that nobody can tell, counts.

        An anchor of an entry under a key that was given up has to date from before that: otherwise
        whoever has the key could go on anchoring that entry, and cut off everything after it.
        """
        epoch = self._epochs.at(anchor.sequence)
        signers = self._epochs.keys_at(anchor.sequence)
        signer = next((key for key in signers if anchor.is_signed_with(key)), None)
        is_in_time = epoch.until is None or anchor.is_from_before(epoch.until)
        if signer is not None and is_in_time:
            self.by_key[signer.id] += 1
        elif epoch.key is None and is_in_time:
            self._unverified.append(anchor)
        else:
            self._report("anchor_forged", number=anchor.number)
            return False
        return True

    def _report_unverified(self) -> None:
        for epoch in self._epochs.all:
            those = [
                each for each in self._unverified if epoch.first <= each.sequence <= epoch.last
            ]
            if those:
                last = those[-1].number
                self._report(
                    "anchors_unverified", first=those[0].number, last=last, key=epoch.key_id
                )

    def _check_first(self, anchor: Anchor, first: int, before: str) -> None:
        if first > 1:
            # Anchors before a new series were reviewed by the person who started it.
            self._bad_lines.clear()
        if anchor.number > first:
            self._report("anchors_missing", number=first, last=anchor.number - 1)
        elif anchor.number == 1 and self._is_first_place and anchor.previous != before:
            self._report("anchors_before")

    def _check_following(self, anchor: Anchor, last: Anchor) -> None:
        if anchor.number > last.number + 1:
            self._report("anchors_missing", number=last.number + 1, last=anchor.number - 1)
        elif anchor.number <= last.number or anchor.previous != last.signature:
            self._report("anchor_out_of_line", number=anchor.number)
        if anchor.sequence < last.sequence:
            self._report("trail_turned_back", number=anchor.number)
