"""Reads signed under an identity that has been corrected since.

Such a read is flagged wherever it is shown. Only people who may see the read see the flag, so it
reveals nothing to a blinded second reader.
"""

import uuid
from collections.abc import Collection

from django.db import transaction
from django.db.models import Exists, F, OuterRef

from webportal.accounts.models import User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append_all
from webportal.records.models import CorrectionSeen, IdentityCorrection, Study
from webportal.review.models import Read, ReadState
from webportal.review.reads.blinding import visible_reads
from webportal.review.reads.standing import stands


def corrections_of(read: Read) -> list[IdentityCorrection]:
    """Return the corrections made since the read was signed, oldest first.

    For lists of reads, prefetch `study__identity_corrections__corrected_by`.
    """
    made = read.study.identity_corrections.all()
    return [each for each in made if read.signed_at and each.at > read.signed_at]


def unseen_corrections(read: Read, person: User) -> list[IdentityCorrection]:
    """Return the corrections that the person, who signed the read, has not acknowledged yet.

    Their own corrections count as acknowledged.
    """
    if read.reader_id != person.pk:
        return []
    others = [each for each in corrections_of(read) if each.corrected_by_id != person.pk]
    seen = CorrectionSeen.objects.filter(reader=person, correction__in=others)
    known = set(seen.values_list("correction_id", flat=True))
    return [each for each in others if each.pk not in known]


def has_corrected_read(person: User, study: str = "pk") -> Exists:
    """Filter for studies with a flagged read that this person may see; `study` leads to its id.

    A read that was amended since no longer stands and no longer flags its study.
    """
    marked = Read.objects.filter(
        visible_reads(person),
        stands(),
        study=OuterRef(study),
        study__identity_corrections__at__gt=F("signed_at"),
    )
    return Exists(marked)


def studies_with_corrected_reads(person: User, study_ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Those of the given studies that match `has_corrected_read`."""
    marked = Study.objects.filter(has_corrected_read(person), pk__in=study_ids)
    return set(marked.values_list("pk", flat=True))


@transaction.atomic
def take_note(study: Study, person: User) -> int:
    """Acknowledge the corrections to a reader's own reads; return how many were new."""
    Study.objects.select_for_update(no_key=True).get(pk=study.pk)
    unseen = {
        each.pk: each
        for read in study.reads.filter(state=ReadState.SIGNED, reader=person)
        for each in unseen_corrections(read, person)
    }
    CorrectionSeen.objects.bulk_create(
        [CorrectionSeen(correction=each, reader=person) for each in unseen.values()],
        ignore_conflicts=True,
    )
    append_all(
        [
            Event(
                Action.CORRECTION_SEEN,
                "patient",
                each.after["patient"],
                study.pk,
                {"correction": str(each.pk)},
            )
            for each in unseen.values()
        ],
        person,
    )
    return len(unseen)
