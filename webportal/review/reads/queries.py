"""Queries for the reads of a study, and the result that each decides on."""

from django.db.models import QuerySet

from webportal.accounts.models import User
from webportal.inference.models import Prediction
from webportal.inference.summary import counting
from webportal.records.models import Study
from webportal.review.models import Addendum, Read, ReadState
from webportal.review.reads.blinding import hides_result
from webportal.review.reads.second_reading import due_of_second_reading, signed_reads
from webportal.review.reads.standing import stands


def leading_prediction(study: Study) -> Prediction | None:
    """The current result that a read of the study decides on: the one that counts for the study."""
    current = Prediction.objects.filter(radiograph__study=study, is_current=True)
    return next(iter(counting(current.select_related("model_version"))), None)


def result_for(study: Study, reader: User) -> Prediction | None:
    """The result on which this reader decides; also None if they must read without it."""
    return None if hides_result(reader, study) else leading_prediction(study)


def signed_read(study: Study) -> Read | None:
    """The standing read, if reading is complete: the last one signed.

    That is the arbitration if there was one; of two readers who agree it is the second, who may
    have seen images that the first had not.
    """
    reads = signed_reads(study)
    return reads[-1] if reads and not due_of_second_reading(study) else None


def earlier_addenda(read: Read) -> QuerySet[Addendum]:
    """The addenda to the other signed reads of a study, which those that follow must not hide.

    For the read that counts. Who amends a read does not thereby take back what somebody else has
    added to it.
    """
    others = Addendum.objects.filter(read__study=read.study_id, read__state=ReadState.SIGNED)
    return others.exclude(read=read.pk).select_related("author")


def own_signed_read(study: Study, reader: User) -> Read | None:
    """The read of the study that this reader has signed, if any, in its latest revision."""
    return study.reads.filter(stands(), reader=reader).select_related("amends").first()


def own_draft(study: Study, reader: User) -> Read | None:
    """This reader's unsigned draft for the study, if any."""
    return Read.objects.filter(study=study, reader=reader, state=ReadState.DRAFT).first()
