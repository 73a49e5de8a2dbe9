"""Drafting and signing reads, and adding to them after they are signed.

A read is bound to the result that the reader saw: when another result has taken its place, signing
is refused until the reader has seen that one. What a reader typed is kept as a draft whatever
becomes of the signature. Locks are taken in the order study, head of the audit trail.
"""

import uuid
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from webportal.accounts.models import User
from webportal.accounts.services import AccountError, confirm_password
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.inference.models import Prediction
from webportal.records.models import Category, Concern, ReadingState, Study
from webportal.review.decisions import open_choices
from webportal.review.models import Addendum, Decision, OtherFinding, Pneumonia, Read, ReadState


class ReadingError(Exception):
    """A refusal: `code` is a stable word for programs, `message` tells a person what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True)
class Entry:
    """What a reader puts down.

    `seen` is the id of the result on the reader's screen, if any; `images` how many images were
    there, None when the reader's program does not say.
    """

    seen: uuid.UUID | None
    decision: str = ""
    pneumonia: str = ""
    other_findings: tuple[str, ...] = ()
    comment: str = ""
    images: int | None = None


def leading_prediction(study: Study) -> Prediction | None:
    """The current result that a read of the study decides on: the worst among its radiographs."""
    current = Prediction.objects.filter(radiograph__study=study, is_current=True)
    return min(current.select_related("model_version"), key=_worst_first, default=None)


def _worst_first(prediction: Prediction) -> tuple[int, float, uuid.UUID]:
    concern = Concern[Category(prediction.category).name]
    return concern, -(prediction.probability or 0.0), prediction.pk


def signed_read(study: Study) -> Read | None:
    """The read that was signed, if one was."""
    signed = study.reads.filter(state=ReadState.SIGNED)
    return signed.select_related("reader", "prediction__model_version").first()


@transaction.atomic
def save_draft(study: Study, reader: User, entry: Entry) -> Read:
    """Keep what the reader has put down so far; a draft may be incomplete.

    Of a study that is already signed it is kept too, so that it can become an addendum. Raises
    ReadingError when a value is unknown.
    """
    _check_values(study, entry)
    Study.objects.select_for_update(no_key=True).get(pk=study.pk)
    same = _signed_the_same(study, reader, entry)
    if same is not None:
        return same
    draft = Read.objects.filter(study=study, reader=reader, state=ReadState.DRAFT).first()
    if draft is not None and _holds(draft, entry) and draft.prediction_id == entry.seen:
        return draft
    draft = draft or Read(study=study, reader=reader)
    draft.prediction_id = entry.seen
    draft.decision, draft.pneumonia = entry.decision, entry.pneumonia
    draft.other_findings, draft.comment = sorted(entry.other_findings), entry.comment
    draft.save()
    append(Event(Action.READ_SAVED, "read", draft.pk, study.pk), reader)
    return draft


@transaction.atomic
def discard_draft(study: Study, reader: User) -> None:
    """Remove the reader's own draft, if there is one."""
    for draft in Read.objects.filter(study=study, reader=reader, state=ReadState.DRAFT):
        append(Event(Action.READ_SAVED, "read", draft.pk, study.pk, {"discarded": True}), reader)
        draft.delete()


def sign(study: Study, reader: User, entry: Entry, password: str) -> Read:
    """Sign a read and mark the study as signed; signing the same twice changes nothing.

    Raises ReadingError with one of the codes wrong_password, already_signed, result_changed,
    images_changed, incomplete, not_fitting or unknown_value. Only after unknown_value is nothing
    kept.
    """
    draft = save_draft(study, reader, entry)
    _check_password(reader, password, Event(Action.SIGNATURE_FAILED, "read", draft.pk, study.pk))
    with transaction.atomic():
        locked = Study.objects.select_for_update(no_key=True).get(pk=study.pk)
        read = save_draft(locked, reader, entry)
        if read.state == ReadState.SIGNED:
            return read
        _refuse_if_signed(locked)
        _refuse_unseen_images(locked, entry.images)
        current = leading_prediction(locked)
        _check_complete(read, entry, current)
        # A reader who read without the model's help is bound to no result of it.
        read.prediction = None if read.decision == Decision.UNAIDED else current
        read.state, read.signed_at = ReadState.SIGNED, timezone.now()
        read.save()
        locked.reading_state = ReadingState.SIGNED
        locked.save(update_fields=["reading_state"])
        detail = {"decision": read.decision, "pneumonia": read.pneumonia}
        if read.prediction is not None:
            detail["prediction"] = str(read.prediction.pk)
            detail["category"] = read.prediction.category
            detail["model"] = read.prediction.model_version.version
        append(Event(Action.READ_SIGNED, "read", read.pk, study.pk, detail), reader)
    return read


def add_addendum(
    read: Read, author: User, reason: str, text: str, password: str, images: int | None = None
) -> Addendum:
    """Sign a text that adds to a signed read; the author's draft of that study is then done with.

    A study that came back to the worklist because of a later image is closed again when `images`,
    the number of images on the author's screen, covers it. Signing the same text twice changes
    nothing. Raises ReadingError with one of the codes not_signed, incomplete, wrong_password or
    images_changed.
    """
    reason, text = reason.strip(), text.strip()
    if read.state != ReadState.SIGNED:
        raise ReadingError("not_signed", "This read is not signed yet: change the draft instead.")
    if not reason or not text:
        raise ReadingError("incomplete", "An addendum needs both a reason and a text.")
    _check_password(
        author, password, Event(Action.SIGNATURE_FAILED, "read", read.pk, read.study_id)
    )
    with transaction.atomic():
        study = Study.objects.select_for_update(no_key=True).get(pk=read.study_id)
        _refuse_unseen_images(study, images)
        if images is not None:
            study.reading_state = ReadingState.SIGNED
            study.save(update_fields=["reading_state"])
        same = read.addenda.filter(author=author, reason=reason, text=text).first()
        if same is not None:
            return same
        Read.objects.filter(study=read.study_id, reader=author, state=ReadState.DRAFT).delete()
        addendum = Addendum.objects.create(
            read=read, author=author, reason=reason, text=text, signed_at=timezone.now()
        )
        detail = {"read": str(read.pk)}
        event = Event(Action.ADDENDUM_SIGNED, "addendum", addendum.pk, read.study_id, detail)
        append(event, author)
    return addendum


def _check_password(signer: User, password: str, failure: Event) -> None:
    try:
        confirm_password(signer, password)
    except AccountError as error:
        append(failure, signer)
        raise ReadingError(
            "wrong_password", f"{error} Nothing is signed; your text is kept."
        ) from error


def _check_values(study: Study, entry: Entry) -> None:
    known = (
        entry.decision in ("", *Decision.values)
        and entry.pneumonia in ("", *Pneumonia.values)
        and set(entry.other_findings) <= set(OtherFinding.values)
    )
    if not known:
        raise ReadingError("unknown_value", "The decision or a finding is not one of those known.")
    if entry.seen is None:
        return
    if not Prediction.objects.filter(pk=entry.seen, radiograph__study=study).exists():
        raise ReadingError("unknown_value", "The result named is not one of this study.")


def _refuse_unseen_images(study: Study, images: int | None) -> None:
    if images is not None and study.radiographs.count() != images:
        raise ReadingError(
            "images_changed",
            "Another image has joined this study since you opened the page. Look at it below, check"
            " what you wrote and sign again; your text is kept.",
        )


def _refuse_if_signed(study: Study) -> None:
    signed = signed_read(study)
    if signed is not None:
        raise ReadingError(
            "already_signed",
            f"{signed.reader} has signed this study in the meantime. Your text is kept:"
            " sign it as an addendum, or discard it.",
        )


def _check_complete(read: Read, entry: Entry, current: Prediction | None) -> None:
    if entry.seen != (current.pk if current else None):
        raise ReadingError(
            "result_changed",
            "The model's result has changed since you opened this page. Look at the new result"
            " below, check your read and sign again; your text is kept.",
        )
    if not read.decision:
        raise ReadingError("incomplete", "Choose a decision before you sign.")
    choices = open_choices(current.category if current else "")
    if (read.decision, read.pneumonia) not in choices:
        raise ReadingError(
            "not_fitting", "The decision, the finding and the model's result do not fit together."
        )


def _signed_the_same(study: Study, reader: User, entry: Entry) -> Read | None:
    """The reader's signed read, when it says what `entry` says: a request that came twice."""
    signed = Read.objects.filter(study=study, reader=reader, state=ReadState.SIGNED).first()
    return signed if signed is not None and _holds(signed, entry) else None


def _holds(read: Read, entry: Entry) -> bool:
    return (
        read.decision == entry.decision
        and read.pneumonia == entry.pneumonia
        and set(read.other_findings) == set(entry.other_findings)
        and read.comment == entry.comment
    )
