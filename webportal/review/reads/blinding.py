"""Blinding: what a person who may yet be a study's second reader must not see.

While the second read of a study is due, nobody who could make it sees the first one, and with
SECOND_READING_BLIND_TO_AI neither the model's results. Every page and endpoint that shows reads or
results asks here, and so does everything that narrows studies down, counts or orders them by what
follows from a result: a place among others tells as much as a word.

A weaker kind is the choice of a reader to read first: the results of what is still to be read are
closed, until that reader has signed the study or opens them. `withheld_results` covers both kinds,
and whatever shows results asks it; `is_open` says that this reader has opened the closed ones, for
the session on the pages, for one request over REST. On the study page they are opened in place.
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
    """A condition on reads: one's own, and of the others those signed ones that one may see."""
    signed = Q(state=ReadState.SIGNED)
    if may_read_blind(person):
        signed &= ~Q(study__second_reading__due=ReadKind.SECOND)
        signed &= ~Q(study__in=_fresh_second_reads(person).values("study"))
    return Q(reader=person) | signed


def sees_read(person: User, read: Read) -> bool:
    """Whether one read is among those of `visible_reads`, for reads that are loaded already."""
    if read.reader_id == person.pk:
        return True
    return read.state == ReadState.SIGNED and not _is_blind(person, read.study)


def reads_without_model(person: User) -> bool:
    """Whether there may be studies whose results of the model are hidden from this person."""
    return settings.SECOND_READING_BLIND_TO_AI and may_read_blind(person)


def waiting_blind(person: User) -> Q:
    """A condition on studies: those whose second read this person may make without the model."""
    if not reads_without_model(person):
        return NOTHING
    own = Read.objects.filter(study=OuterRef("study"), reader=person, state=ReadState.SIGNED)
    waiting = SecondReading.objects.filter(~Exists(own), due=ReadKind.SECOND)
    # They are few: PostgreSQL looks them up once and then asks a table in memory.
    return Q(pk__in=waiting.values("study"))


def hidden_results(person: User) -> Q:
    """A condition on studies: those whose results of the model are hidden from this person."""
    if not reads_without_model(person):
        return NOTHING
    return waiting_blind(person) | Q(pk__in=_fresh_second_reads(person).values("study"))


def studies_with_hidden_results(person: User, study_ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Which of these studies are among those of `hidden_results`."""
    if not reads_without_model(person):
        return set()
    hidden = Study.objects.filter(hidden_results(person), pk__in=study_ids)
    return set(hidden.values_list("pk", flat=True))


def closed_results(person: User) -> Q:
    """A condition on studies: those unread whose results wait until this person has read them."""
    if not reads_first(person):
        return NOTHING
    own = Read.objects.filter(study=OuterRef("pk"), reader=person, state=ReadState.SIGNED)
    return Q(~Exists(own), reading_state=ReadingState.UNREAD)


def closes_result(person: User, study: Study) -> bool:
    """Whether the model's results of one study are closed until this person has read it."""
    return Study.objects.filter(closed_results(person), pk=study.pk).exists()


def withheld_results(person: User, *, is_open: bool = False) -> Q:
    """A condition on studies: those whose results this person is not shown.

    That is those of `hidden_results`, and unless the person has opened them those of
    `closed_results`.
    """
    hidden = hidden_results(person)
    return hidden if is_open else hidden | closed_results(person)


def studies_with_withheld_results(
    person: User, study_ids: Collection[uuid.UUID], *, is_open: bool = False
) -> set[uuid.UUID]:
    """Which of these studies are among those of `withheld_results`."""
    withheld = Study.objects.filter(withheld_results(person, is_open=is_open), pk__in=study_ids)
    return set(withheld.values_list("pk", flat=True))


def hides_result(person: User, study: Study) -> bool:
    """Whether the model's results of one study are hidden from this person."""
    return study.pk in studies_with_hidden_results(person, [study.pk])


def visible_predictions(person: User) -> Q:
    """A condition on predictions: those of studies whose results this person may see.

    Closed ones are among them: the study page, which opens them in place, asks for this.
    """
    return ~Q(radiograph__study__in=Study.objects.filter(hidden_results(person)))


def _fresh_second_reads(person: User) -> QuerySet[Read]:
    """The second reads that this person may still take back; an amended one is blind no more."""
    return Read.objects.filter(may_be_taken_back(), reader=person, kind=ReadKind.SECOND, revision=0)


def _is_blind(person: User, study: Study) -> bool:
    if not may_read_blind(person):
        return False
    if due_of_second_reading(study) == ReadKind.SECOND:
        return True
    return _fresh_second_reads(person).filter(study=study).exists()
