"""Amended reads: a new read by the same reader, with a reason, that supersedes the signed one.

Only its author may amend a read. Others who disagree write an addendum.
"""

import uuid

from django.utils.translation import gettext as _

from webportal.accounts.models import User
from webportal.records.models import Study
from webportal.review.models import Read, ReadState
from webportal.review.reads.refusals import ReadingError
from webportal.review.reads.standing import superseding_read


def own_read_to_amend(study: Study, author: User, read_id: uuid.UUID) -> Read:
    """This author's signed read of the study with that id; raises ReadingError if there is none."""
    read = study.reads.filter(pk=read_id, reader=author, state=ReadState.SIGNED).first()
    if read is None:
        raise ReadingError(
            "not_own_read",
            _(
                "You can amend only a read of this study that you have signed yourself. To another"
                " reader’s read, sign an addendum."
            ),
        )
    return read


def refuse_amendment(amended: Read, reason: str) -> None:
    """Raise ReadingError if this read was already amended, or no reason is given."""
    if superseding_read(amended) is not None:
        raise ReadingError(
            "already_amended",
            _(
                "You have amended this read since you opened the page. Look at what counts now,"
                " check what you wrote and sign again; your text is kept."
            ),
        )
    if not reason:
        raise ReadingError("incomplete", _("Say why you amend the read."))
