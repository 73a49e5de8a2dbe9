"""Second reading: which studies are read twice, by whom, and when two readers disagree.

The first signature decides whether a second read follows, the second one whether an arbitration
does; an amendment of either may change that. One person never makes two reads of a study. A second
reader must not know the first read, so people with access to the audit trail, which holds it, are
never second readers.
"""

import uuid
from collections.abc import Collection

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy

from webportal.accounts.models import Role, User
from webportal.records.choices import Category, ReadingState
from webportal.records.models import Study
from webportal.review.models import (
    Decision,
    OtherFinding,
    Pneumonia,
    Read,
    ReadKind,
    ReadState,
    SecondReading,
    SecondReadingReason,
)
from webportal.review.reads.standing import stands

READ_ORDER = list(ReadKind)


#: Findings that have to be acted on at once: a third reader decides where only one has seen them.
URGENT = frozenset({OtherFinding.PNEUMOTHORAX})


def signed_reads(study: Study) -> list[Read]:
    """The standing reads of a study, each in its latest revision: first, second, arbitration."""
    reads = study.reads.filter(stands()).select_related("reader", "prediction__model_version")
    return sorted(reads, key=lambda read: READ_ORDER.index(ReadKind(read.kind)))


def due_of_second_reading(study: Study) -> str:
    """The second read or the arbitration if one is pending, else ''."""
    try:
        return study.second_reading.due
    except ObjectDoesNotExist:
        return ""


def due_read(study: Study) -> str:
    """The kind of read due next; '' if only addenda can be signed, or nobody is to read it."""
    if study.reading_state == ReadingState.PRIOR:
        return ""
    due = due_of_second_reading(study)
    if due:
        return due
    is_read = study.reads.filter(state=ReadState.SIGNED).exists()
    return "" if is_read else ReadKind.FIRST


NOT_BLIND = gettext_lazy(
    "This study waits for a second reader, who must not know the first read. As an auditor you can"
    " look it up, so another radiologist has to read it."
)

PRIOR = gettext_lazy(
    "This study was fetched from a PACS for comparison, and is not on the worklist. Put it there if"
    " it is to be read."
)


def may_read_blind(reader: User) -> bool:
    """Whether this person can be a second reader at all."""
    return reader.has_role(Role.RADIOLOGIST) and not reader.has_role(Role.AUDITOR)


def has_signed(study: Study, reader: User) -> bool:
    """Whether this person has made one of the study's reads."""
    return study.reads.filter(state=ReadState.SIGNED, reader=reader).exists()


def may_make(due: str, reader: User, *, has_signed: bool) -> bool:
    """Whether this person may make the read that is due, given whether they made an earlier one."""
    return bool(due) and not has_signed and (due != ReadKind.SECOND or may_read_blind(reader))


def not_for(reader: User, study_ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Those of the studies whose second read or arbitration is due, but not from this person."""
    second_readings = SecondReading.objects.filter(study__in=study_ids).exclude(due="")
    due = dict(second_readings.values_list("study_id", "due"))
    own = Read.objects.filter(study__in=due, reader=reader, state=ReadState.SIGNED)
    signed = set(own.values_list("study_id", flat=True))
    return {key for key in due if not may_make(due[key], reader, has_signed=key in signed)}


def is_drawn(study_id: uuid.UUID) -> bool:
    """Whether a study is randomly selected for a second reader: SECOND_READING_SHARE of all.

    Derived from the study's id by a keyed hash: repeatable, and unpredictable without the portal's
    secret.
    """
    digest = salted_hmac("second reading", str(study_id), algorithm="sha256").digest()
    drawn = int.from_bytes(digest[:8], "big") / 2**64
    return drawn < float(settings.SECOND_READING_SHARE)


def advance(study: Study, signed: Read) -> str:
    """Record what follows a read that was just signed, and return the kind of read now due.

    An amended first read also goes to a second reader if it overrules a likely result; random
    selection was settled at the first signature. A second read, once required, stays required
    whatever an amendment says.
    """
    if signed.kind == ReadKind.FIRST and not SecondReading.objects.filter(study=study).exists():
        reason = _reason_for_second_read(study, signed)
        if reason:
            SecondReading.objects.create(study=study, reason=reason, ordered_by=signed)
    return settle(study)


def settle(study: Study) -> str:
    """Record which read is due given the standing reads, and return its kind; '' for none."""
    standing = {read.kind: read for read in signed_reads(study)}
    if ReadKind.FIRST not in standing:
        return ReadKind.FIRST
    second_reading = SecondReading.objects.filter(study=study).first()
    if second_reading is None:
        return ""
    second_reading.due = _due_after_first(standing)
    second_reading.save(update_fields=["due"])
    return second_reading.due


def take_order_back(study: Study, read: Read) -> None:
    """Cancel the second read if the signature of this read required it."""
    SecondReading.objects.filter(study=study, ordered_by=read).delete()


def _due_after_first(standing: dict[str, Read]) -> str:
    if ReadKind.SECOND not in standing:
        return ReadKind.SECOND
    if ReadKind.ARBITRATION in standing:
        return ""
    is_disputed = disagree(standing[ReadKind.FIRST], standing[ReadKind.SECOND])
    return ReadKind.ARBITRATION if is_disputed else ""


def disagree(first: Read, second: Read) -> bool:
    """Whether a third reader has to decide.

    True if the finding on pneumonia differs, or only one of the two saw an urgent finding.
    """
    alone = set(first.other_findings) ^ set(second.other_findings)
    return first.pneumonia != second.pneumonia or not URGENT.isdisjoint(alone)


def _reason_for_second_read(study: Study, first: Read) -> str:
    if not settings.SECOND_READING:
        return ""
    overruled_positive = (
        first.decision == Decision.OVERRULE
        and first.pneumonia == Pneumonia.NONE
        and first.prediction is not None
        and first.prediction.shown_category == Category.LIKELY
    )
    if overruled_positive:
        return SecondReadingReason.OVERRULED
    is_first_signature = first.revision == 0
    return SecondReadingReason.DRAWN if is_first_signature and is_drawn(study.pk) else ""
