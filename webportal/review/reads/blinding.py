"""Blinding: what a potential second reader of a study must not see.

While the second read of a study is due, nobody who could make it sees the first one or, with
SECOND_READING_BLIND_TO_AI, the model's results. Every page and endpoint that shows reads or results
uses this module, and so does everything that filters, counts or sorts studies by a result: a
position in a list reveals as much as the result itself.

A weaker form is a reader's choice to read first: results of unread studies are closed until that
reader signs the study or opens them. `withheld_results` covers both forms, and everything that
shows results uses it; `is_open` means that this reader has opened the closed ones, for the session
on the pages, for one request over REST. On the study page they are opened in place.
"""

import uuid
from collections.abc import Collection

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet

from webportal.accounts.models import User
from webportal.records.choices import ReadingState
from webportal.records.models import Study
from webportal.review.models import Read, ReadKind, ReadState, SecondReading
from webportal.review.preferences import reads_first
from webportal.review.reads.second_reading import due_of_second_reading, may_read_blind
from webportal.review.reads.standing import may_be_taken_back

NOTHING = Q(pk__in=[])


def visible_reads(person: User) -> Q:
    """Filter for reads: the person's own, and those signed by others that they may see."""
    signed = Q(state=ReadState.SIGNED)
    if may_read_blind(person):
        signed &= ~Q(study__second_reading__due=ReadKind.SECOND)
        signed &= ~Q(study__in=_fresh_second_reads(person).values("study"))
    return Q(reader=person) | signed


def sees_read(person: User, read: Read) -> bool:
    """Like `visible_reads`, for a read that is already loaded."""
    if read.reader_id == person.pk:
        return True
    return read.state == ReadState.SIGNED and not _is_blind(person, read.study)


def reads_without_model(person: User) -> bool:
    """Whether there may be studies whose model results are hidden from this person."""
    return settings.SECOND_READING_BLIND_TO_AI and may_read_blind(person)


def waiting_blind(person: User) -> Q:
    """Filter for studies whose second read this person may make blind to the model."""
    if not reads_without_model(person):
        return NOTHING
    own = Read.objects.filter(study=OuterRef("study"), reader=person, state=ReadState.SIGNED)
    waiting = SecondReading.objects.filter(~Exists(own), due=ReadKind.SECOND)
    # They are few: PostgreSQL looks them up once and then probes a hash table.
    return Q(pk__in=waiting.values("study"))


def hidden_results(person: User) -> Q:
    """Filter for studies whose model results are hidden from this person."""
    if not reads_without_model(person):
        return NOTHING
    return waiting_blind(person) | Q(pk__in=_fresh_second_reads(person).values("study"))


def studies_with_hidden_results(person: User, study_ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Those of the given studies that match `hidden_results`."""
    if not reads_without_model(person):
        return set()
    hidden = Study.objects.filter(hidden_results(person), pk__in=study_ids)
    return set(hidden.values_list("pk", flat=True))


def closed_results(person: User) -> Q:
    """Filter for unread studies whose results stay closed until this person has read them."""
    if not reads_first(person):
        return NOTHING
    own = Read.objects.filter(study=OuterRef("pk"), reader=person, state=ReadState.SIGNED)
    return Q(~Exists(own), reading_state=ReadingState.UNREAD)


def closes_result(person: User, study: Study) -> bool:
    """Whether the model's results of one study are closed until this person has read it."""
    return Study.objects.filter(closed_results(person), pk=study.pk).exists()


def withheld_results(person: User, *, is_open: bool) -> Q:
    """Filter for studies whose results this person is not shown.

    These are `hidden_results` and, unless the person has opened them, `closed_results`.
    """
    hidden = hidden_results(person)
    return hidden if is_open else hidden | closed_results(person)


def studies_with_withheld_results(
    person: User, study_ids: Collection[uuid.UUID], *, is_open: bool
) -> set[uuid.UUID]:
    """Those of the given studies that match `withheld_results`."""
    withheld = Study.objects.filter(withheld_results(person, is_open=is_open), pk__in=study_ids)
    return set(withheld.values_list("pk", flat=True))


def hides_result(person: User, study: Study) -> bool:
    """Whether the model's results of one study are hidden from this person."""
    return study.pk in studies_with_hidden_results(person, [study.pk])


def visible_predictions(person: User) -> Q:
    """Filter for predictions of studies whose results this person may see.

    Includes closed ones, for the study page, which opens them in place.
    """
    return ~Q(radiograph__study__in=Study.objects.filter(hidden_results(person)))


def _fresh_second_reads(person: User) -> QuerySet[Read]:
    """The second reads that this person may still take back; an amended one is no longer blind."""
    return Read.objects.filter(may_be_taken_back(), reader=person, kind=ReadKind.SECOND, revision=0)


def _is_blind(person: User, study: Study) -> bool:
    if not may_read_blind(person):
        return False
    if due_of_second_reading(study) == ReadKind.SECOND:
        return True
    return _fresh_second_reads(person).filter(study=study).exists()
