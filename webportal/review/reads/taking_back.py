"""Taking a signature back within TAKE_BACK_PERIOD, for slips noticed at once.

The read stays as signed, with another state, and its content becomes the reader's draft. The
database's clock decides, and a trigger allows nothing else.
"""

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from webportal.accounts.models import User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.database.clock import clock
from webportal.records.choices import ReadingState
from webportal.records.models import Study
from webportal.review.models import Addendum, Read, ReadKind, ReadState
from webportal.review.reads import reservation
from webportal.review.reads.queries import own_draft
from webportal.review.reads.refusals import ReadingError
from webportal.review.reads.second_reading import READ_ORDER, settle, take_order_back
from webportal.review.reads.standing import final_at, superseding_read

# Fields copied to the draft; those set only by a signature are left out.
KEPT = (
    "prediction_id",
    "decision",
    "pneumonia",
    "zones",
    "other_findings",
    "marks",
    "measurements",
    "comment",
    "identity",
    "amends_id",
    "reason",
)


def take_back(read: Read, reader: User) -> Read:
    """Take one's own signature back and return the resulting draft.

    A draft started since then is kept instead. Raises ReadingError with one of the codes
    not_own_read, not_signed, too_late or signed_on_top.
    """
    if read.reader_id != reader.pk:
        raise ReadingError("not_own_read", _("Only its reader can take a signature back."))
    with transaction.atomic():
        study = Study.objects.select_for_update(no_key=True).get(pk=read.study_id)
        signed = Read.objects.get(pk=read.pk)
        _refuse(signed)
        _set_state(signed)
        take_order_back(study, signed)
        due = settle(study)
        is_open = bool(due) or _has_unread_image(study)
        study.reading_state = ReadingState.UNREAD if is_open else ReadingState.SIGNED
        study.save(update_fields=["reading_state"])
        draft = _draft_of(signed, own_draft(study, reader))
        if due:
            reservation.reserve(study, reader)
        detail = {"kind": signed.kind, "revision": signed.revision, "draft": str(draft.pk)}
        append(
            Event(Action.SIGNATURE_TAKEN_BACK, "read", signed.pk, signed.study_id, detail), reader
        )
    return draft


def _refuse(read: Read) -> None:
    """Raise ReadingError if the signature cannot be taken back (any more)."""
    if read.state == ReadState.TAKEN_BACK:
        raise ReadingError("not_signed", _("This signature is taken back already."))
    final = final_at(read)
    if final is None:
        raise ReadingError("not_signed", _("This read is not signed."))
    if superseding_read(read) is not None:
        raise ReadingError(
            "signed_on_top", _("You have amended this read since. Take the amendment back first.")
        )
    if Addendum.objects.filter(read=read).exists():
        raise ReadingError(
            "signed_on_top",
            _(
                "An addendum to this read is signed already, so it can no longer be taken back."
                " Amend it instead."
            ),
        )
    later = READ_ORDER[READ_ORDER.index(ReadKind(read.kind)) + 1 :]
    others = Read.objects.filter(study=read.study_id, state=ReadState.SIGNED, kind__in=later)
    on_top = others.filter(signed_at__gt=read.signed_at).select_related("reader").first()
    if on_top is not None:
        raise ReadingError(
            "signed_on_top",
            _(
                "{reader} has signed the next read of this study, so yours can no longer be taken"
                " back. Amend it instead."
            ).format(reader=on_top.reader),
        )
    if clock() >= final:
        raise _too_late()


def _set_state(read: Read) -> None:
    try:
        with transaction.atomic():
            Read.objects.filter(pk=read.pk).update(state=ReadState.TAKEN_BACK)
    except IntegrityError as error:  # the period ended just now
        raise _too_late() from error


def _too_late() -> ReadingError:
    return ReadingError(
        "too_late",
        _("The 30 seconds for taking a signature back are over. Amend the read instead."),
    )


def _has_unread_image(study: Study) -> bool:
    """Whether an image has been added since the last remaining signature."""
    reads = Read.objects.filter(study=study, state=ReadState.SIGNED)
    addenda = Addendum.objects.filter(read__study=study)
    moments = [*reads.values_list("signed_at"), *addenda.values_list("signed_at")]
    last = max((moment for (moment,) in moments if moment is not None), default=None)
    return last is not None and study.radiographs.filter(created_at__gt=last).exists()


def _draft_of(signed: Read, begun: Read | None) -> Read:
    """Create a draft from the signed read, unless the reader has started one since."""
    if begun is None:
        values = {name: getattr(signed, name) for name in KEPT}
        return Read.objects.create(study_id=signed.study_id, reader_id=signed.reader_id, **values)
    if begun.amends_id == signed.pk:
        begun.amends_id, begun.reason = signed.amends_id, signed.reason
        begun.save(update_fields=["amends", "reason"])
    return begun
