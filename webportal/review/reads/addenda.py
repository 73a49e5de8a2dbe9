"""Signing addenda. Locks are taken as in `reading`."""

import hashlib
import uuid

from django.db import transaction
from django.utils.translation import gettext as _

from webportal.accounts.models import User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.database.clock import clock
from webportal.records.choices import ReadingState
from webportal.records.identity import version_of
from webportal.records.models import Radiograph, Study
from webportal.review.models import Addendum, Read, ReadState
from webportal.review.reads.authentication import Secret, check_signer
from webportal.review.reads.queries import signed_read
from webportal.review.reads.refusals import ReadingError
from webportal.review.reads.second_reading import due_of_second_reading
from webportal.review.reads.signed_identity import lock_identity
from webportal.review.reads.standing import stands
from webportal.review.reads.viewing import (
    images_not_viewed,
    refuse_addendum_unviewed,
    refuse_changed_images,
)


def add_addendum(
    read: Read,
    author: User,
    reason: str,
    text: str,
    secret: Secret,
    images: int | None = None,
    *,
    identity: str,
    despite_unseen: bool = False,
    pin_is_open: bool = False,
) -> Addendum:
    """Sign an addendum to a signed read; the author's draft for that study is then removed.

    A study that came back to the worklist because of a later image is closed again when `images`,
    the number of images on the author's page, covers it and the author has seen each of them;
    `despite_unseen` means that the text addresses one that cannot be shown. `identity` is the
    fingerprint of the patient's identity that the author saw. Signing the same text twice changes
    nothing. Raises ReadingError with one of the codes not_signed, incomplete, wrong_password,
    identity_changed, images_changed, images_not_viewed, or reading_changed when another read counts
    by now.
    """
    reason, text = reason.strip(), text.strip()
    if read.state != ReadState.SIGNED:
        raise ReadingError(
            "not_signed", _("This read is not signed yet: change the draft instead.")
        )
    if not reason or not text:
        raise ReadingError("incomplete", _("An addendum needs both a reason and a text."))
    failure = Event(Action.SIGNATURE_FAILED, "read", read.pk, read.study_id)
    check_signer(author, secret, failure, pin_is_open)
    with transaction.atomic():
        study = Study.objects.select_for_update(no_key=True).get(pk=read.study_id)
        refuse_changed_images(study, images)
        signed_under = lock_identity(study, identity)
        not_viewed: list[Radiograph] = []
        if _is_closed_by_addendum(study, images):
            not_viewed = images_not_viewed(study, author)
            refuse_addendum_unviewed(study, not_viewed, despite_unseen)
            study.reading_state = ReadingState.SIGNED
            study.save(update_fields=["reading_state"])
        same = read.addenda.filter(author=author, reason=reason, text=text).first()
        if same is not None:
            return same
        _refuse_unless_counting(study, read)
        # A draft amendment by the author is separate and is kept.
        drafts = Read.objects.filter(study=read.study_id, reader=author, state=ReadState.DRAFT)
        drafts.filter(amends=None).delete()
        addendum = Addendum.objects.create(
            read=read, author=author, reason=reason, text=text, signed_at=clock()
        )
        detail: dict[str, object] = {
            "read": str(read.pk),
            "patient": signed_under["patient"],
            "identity_sha256": version_of(signed_under),
            "reason_sha256": hashlib.sha256(reason.encode()).hexdigest(),
            "text_sha256": hashlib.sha256(text.encode()).hexdigest(),
        }
        if not_viewed:
            detail["images_not_viewed"] = [str(image.pk) for image in not_viewed]
        event = Event(Action.ADDENDUM_SIGNED, "addendum", addendum.pk, read.study_id, detail)
        append(event, author)
    return addendum


def refuse_unseen(read: Read, shown: uuid.UUID | None) -> None:
    """Refuse an addendum to another read than its author had before them.

    `shown` is the id of that read, None if the page does not say. Raises ReadingError with the code
    reading_changed.
    """
    if shown is not None and shown != read.pk:
        raise _another_counts()


def _refuse_unless_counting(study: Study, read: Read) -> None:
    """Refuse an addendum to a read that was amended, taken back or decided upon meanwhile."""
    counting = signed_read(study)
    stood = Read.objects.filter(stands(), pk=read.pk).exists()
    if not stood or (counting is not None and counting.pk != read.pk):
        raise _another_counts()


def _another_counts() -> ReadingError:
    return ReadingError(
        "reading_changed",
        _(
            "The read that you were shown no longer counts: it has been amended or taken back, or"
            " another reader has signed. Look at the one that counts now, check your addendum and"
            " sign again; your text is kept."
        ),
    )


def _is_closed_by_addendum(study: Study, images: int | None) -> bool:
    is_waiting = study.reading_state == ReadingState.UNREAD
    return is_waiting and images is not None and not due_of_second_reading(study)
