"""What a study shows first: the signed finding that counts, then the model's result.

Every list, table, file and answer that shows studies takes the signed finding from here, so that
nowhere the model's result stands alone where a radiologist has decided.
"""

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q
from django.utils.translation import gettext

from webportal.accounts.models import Role, User
from webportal.records.choices import ReadingState
from webportal.review.models import Decision, OtherFinding, Pneumonia, Read, ReadKind
from webportal.review.reads.blinding import visible_reads
from webportal.review.reads.decisions import CONFIRMING
from webportal.review.reads.second_reading import READ_ORDER
from webportal.review.reads.standing import may_be_taken_back, standing_reads

NOT_INTERPRETABLE = Decision.NOT_INTERPRETABLE.value


@dataclass(frozen=True)
class Finding:
    """The signed finding that counts of a study.

    `value` is one of `Pneumonia` or NOT_INTERPRETABLE. `addenda` is how many were signed to the
    read; `covers_all` is False where an image has joined the study since.
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
        """The finding in words, other findings apart."""
        if self.value == NOT_INTERPRETABLE:
            return gettext("Not interpretable")
        return str(Pneumonia(self.value).label)

    @property
    def other_labels(self) -> list[str]:
        """The other findings in words."""
        return [str(OtherFinding(each).label) for each in self.others]

    def against(self, category: str) -> str:
        """How it stands to a result of the model: agrees, overruled, differs, or '' for neither.

        It differs where the reader did not decide on that result: it was made later, or hidden.
        """
        confirming = CONFIRMING.get(category)  # type: ignore[call-overload]  # an enum of texts
        if confirming is None or self.value == NOT_INTERPRETABLE:
            return ""
        if self.value in confirming:
            return "agrees"
        return "overruled" if self.decision == Decision.OVERRULE else "differs"


def stands_to(finding: Finding, category: str) -> str:
    """The same in words, as they stand behind the model's result."""
    words = {
        "agrees": gettext("agrees"),
        "overruled": gettext("overruled"),
        "differs": gettext("differs"),
    }
    return words.get(finding.against(category), "")


def findings_of(
    study_ids: Collection[uuid.UUID], person: User, *, only_final: bool = False
) -> dict[uuid.UUID, Finding]:
    """The signed finding of each study that has one which counts and which this person may know.

    It takes one query. With `only_final` those are left out that may still be taken back: for what
    leaves the portal.
    """
    if not person.has_role(Role.RADIOLOGIST):
        return {}
    # While another read is waited for, none counts.
    is_settled = Q(study__second_reading=None) | Q(study__second_reading__due="")
    reads = standing_reads().filter(is_settled, visible_reads(person), study__in=study_ids)
    if only_final:
        reads = reads.exclude(may_be_taken_back())
    shown = reads.select_related("reader", "study").annotate(addendum_count=Count("addenda"))
    counting: dict[uuid.UUID, Read] = {}
    for read in sorted(shown, key=lambda read: READ_ORDER.index(ReadKind(read.kind))):
        counting[read.study_id] = read
    return {study_id: _finding(read) for study_id, read in counting.items()}


def _finding(read: Read) -> Finding:
    assert read.signed_at is not None  # a constraint of the database
    return Finding(
        read=read.pk,
        value=read.pneumonia or NOT_INTERPRETABLE,
        others=tuple(read.other_findings),
        decision=read.decision,
        reader=str(read.reader),
        signed_at=read.signed_at,
        is_amended=read.revision > 0,
        addenda=read.addendum_count,  # type: ignore[attr-defined]  # annotated above
        covers_all=read.study.reading_state == ReadingState.SIGNED,
    )
