"""What a study shows first: the standing signed finding, then the model's result.

Every list, table, file and response that shows studies gets the signed finding from here, so that
the model's result is never shown alone where a radiologist has decided.
"""

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, OuterRef, Q, Subquery
from django.utils.translation import gettext, ngettext

from webportal.accounts.models import Role, User
from webportal.labels import label_of
from webportal.records.choices import ReadingState
from webportal.review.models import (
    Addendum,
    Decision,
    OtherFinding,
    Pneumonia,
    Read,
    ReadKind,
    ReadState,
)
from webportal.review.reads.blinding import visible_reads
from webportal.review.reads.decisions import CONFIRMING
from webportal.review.reads.second_reading import READ_ORDER
from webportal.review.reads.standing import may_be_taken_back, standing_reads

NOT_INTERPRETABLE = Decision.NOT_INTERPRETABLE.value


@dataclass(frozen=True)
class Finding:
    """The standing signed finding of a study.

    `value` is one of `Pneumonia` or NOT_INTERPRETABLE. `addenda` is how many were signed to it,
    or to a read that it amends or follows; `covers_all` is False if an image has been added to
    the study since.
    """

    read: uuid.UUID
    value: str
    others: tuple[str, ...]
    decision: str
    reader: str
    signed_at: datetime
    is_amended: bool
    addenda: int
    covers_all: bool

    @property
    def label(self) -> str:
        """The finding as text, without other findings."""
        if self.value == NOT_INTERPRETABLE:
            return gettext("Not interpretable")
        return label_of(Pneumonia, self.value)

    @property
    def other_labels(self) -> list[str]:
        """The other findings as text."""
        return [label_of(OtherFinding, each) for each in self.others]

    @property
    def remarks(self) -> list[str]:
        """Short remarks that qualify the finding, such as “amended”."""
        addenda = ngettext("%(count)d addendum", "%(count)d addenda", self.addenda)
        return [
            *([gettext("amended")] if self.is_amended else []),
            *([addenda % {"count": self.addenda}] if self.addenda else []),
            *([] if self.covers_all else [gettext("before a later image")]),
        ]

    def against(self, category: str) -> str:
        """Relation to the model's result: agrees, overruled, differs, or '' for none of these.

        'Differs' if the reader did not decide on that result because it came later or was hidden.
        """
        confirming = CONFIRMING.get(category)  # type: ignore[call-overload]  # an enum of texts
        if confirming is None or self.value == NOT_INTERPRETABLE:
            return ""
        if self.value in confirming:
            return "agrees"
        return "overruled" if self.decision == Decision.OVERRULE else "differs"


def stands_to(finding: Finding, category: str) -> str:
    """The same as text, as shown after the model's result."""
    words = {
        "agrees": gettext("agrees"),
        "overruled": gettext("overruled"),
        "differs": gettext("differs"),
    }
    return words.get(finding.against(category), "")


def findings_of(
    study_ids: Collection[uuid.UUID], person: User, *, only_final: bool = False
) -> dict[uuid.UUID, Finding]:
    """The standing signed finding of each study that has one and that this person may see.

    Takes one query. `only_final` leaves out findings that may still be taken back, for anything
    that leaves the portal.
    """
    if not person.has_role(Role.RADIOLOGIST):
        return {}
    # While another read is pending, none counts.
    is_settled = Q(study__second_reading=None) | Q(study__second_reading__due="")
    reads = standing_reads().filter(is_settled, visible_reads(person), study__in=study_ids)
    if only_final:
        reads = reads.exclude(may_be_taken_back())
    shown = reads.select_related("reader", "study").annotate(addendum_count=_addenda_of_study())
    counting: dict[uuid.UUID, Read] = {}
    for read in sorted(shown, key=lambda read: READ_ORDER.index(ReadKind(read.kind))):
        counting[read.study_id] = read
    return {study_id: _finding(read) for study_id, read in counting.items()}


def _addenda_of_study() -> Subquery:
    addenda = Addendum.objects.filter(
        read__study=OuterRef("study"), read__state=ReadState.SIGNED
    ).order_by()
    return Subquery(addenda.values("read__study").annotate(number=Count("pk")).values("number"))


def _finding(read: Read) -> Finding:
    assert read.signed_at is not None  # by a database constraint
    return Finding(
        read=read.pk,
        value=read.pneumonia or NOT_INTERPRETABLE,
        others=tuple(read.other_findings),
        decision=read.decision,
        reader=str(read.reader),
        signed_at=read.signed_at,
        is_amended=read.revision > 0,
        addenda=read.addendum_count or 0,  # type: ignore[attr-defined]  # annotated above
        covers_all=read.study.reading_state == ReadingState.SIGNED,
    )
