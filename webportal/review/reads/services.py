"""Drafting and signing reads.

A read is bound to the result that the reader saw: if it has been replaced, signing is refused until
the reader has seen the new one. Input is kept as a draft whether or not the signature succeeds.
Locks are taken in the order study, patient, head of the audit trail.
"""

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from ml.errors import ImageError
from webportal.accounts.models import Passkey, User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.database.clock import clock
from webportal.inference.models import Prediction
from webportal.records.choices import ReadingState
from webportal.records.files import StoredFileError
from webportal.records.identity import version_of
from webportal.records.models import Radiograph, Study
from webportal.review.models import (
    Decision,
    OtherFinding,
    Pneumonia,
    Read,
    ReadKind,
    ReadState,
    Zone,
)
from webportal.review.reads import measurements, reservation
from webportal.review.reads.amending import own_read_to_amend, refuse_amendment
from webportal.review.reads.authentication import Secret, check_signer
from webportal.review.reads.decisions import open_choices
from webportal.review.reads.marks import Mark, marked_but_unrecorded, parse_marks, why_refused
from webportal.review.reads.measurements import Measurement
from webportal.review.reads.queries import own_draft, own_signed_read, result_for
from webportal.review.reads.refusals import ReadingError as ReadingError
from webportal.review.reads.second_reading import (
    NOT_BLIND,
    PRIOR,
    advance,
    due_read,
    has_signed,
    may_make,
    signed_reads,
)
from webportal.review.reads.signed_identity import identity_for_draft, lock_identity
from webportal.review.reads.viewing import images_not_viewed, refuse_changed_images, refuse_unviewed


@dataclass(frozen=True)
class Entry:
    """A reader's input.

    `seen` is the id of the result on the reader's screen, if any; `images` how many images were
    there and `kind` which read of the study was asked for, None if the client does not say.
    `despite_reservation` means that the reader knows that another reader is reading the study.
    `version` is that of the draft on the screen, "" if there was none: a draft changed in another
    window meanwhile is not overwritten. `amends` is the id of the reader's own signed read that
    this one corrects, for `reason`. `identity` is the fingerprint of the patient's identity that
    the reader has acknowledged, and `seen_identity` the identity under which the draft was begun,
    {} where that is not known.
    """

    seen: uuid.UUID | None
    decision: str = ""
    pneumonia: str = ""
    zones: tuple[str, ...] = ()
    other_findings: tuple[str, ...] = ()
    marks: tuple[Mark, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    comment: str = ""
    images: int | None = None
    kind: str | None = None
    despite_reservation: bool = False
    version: str | None = None
    amends: uuid.UUID | None = None
    reason: str = ""
    identity: str = ""
    seen_identity: Mapping[str, str] = field(default_factory=dict)


@transaction.atomic
def save_draft(study: Study, reader: User, entry: Entry) -> Read:
    """Save the reader's input so far; a draft may be incomplete.

    It is also kept for a signed study, so that it can become an addendum. Raises ReadingError with
    one of the codes unknown_value, wrong_mark, wrong_measurement, not_own_read or draft_changed.
    """
    _check_values(study, entry)
    if entry.amends is not None:
        own_read_to_amend(study, reader, entry.amends)
    locked = Study.objects.select_for_update(no_key=True).get(pk=study.pk)
    same = _signed_the_same(study, reader, entry)
    if same is not None:
        return same
    draft = own_draft(study, reader)
    identity = identity_for_draft(
        locked.patient, entry.identity, entry.seen_identity, draft.identity if draft else {}
    )
    if draft is not None and _is_kept(draft, entry) and draft.identity == identity:
        return draft
    _refuse_other_draft(draft, entry)
    draft = draft or Read(study=study, reader=reader)
    draft.identity = identity
    draft.prediction_id = entry.seen
    draft.decision, draft.pneumonia = entry.decision, entry.pneumonia
    draft.zones, draft.other_findings = sorted(entry.zones), sorted(entry.other_findings)
    draft.marks = [mark.as_json() for mark in entry.marks]
    draft.measurements = _measured(study, entry, draft)
    draft.comment = entry.comment
    draft.amends_id, draft.reason = entry.amends, entry.reason
    draft.save()
    append(Event(Action.READ_SAVED, "read", draft.pk, study.pk), reader)
    return draft


def _measured(study: Study, entry: Entry, draft: Read) -> list[dict[str, Any]]:
    """The measurements with values computed from the stored files."""
    try:
        return measurements.measured(study, entry.measurements, draft.measurements)
    except (StoredFileError, ImageError) as error:
        raise ReadingError("wrong_measurement", str(error.message)) from error


def draft_version(draft: Read | None) -> str:
    """The version of a draft; "" for none."""
    return draft.updated_at.isoformat() if draft is not None else ""


def _refuse_other_draft(draft: Read | None, entry: Entry) -> None:
    if draft is None or entry.version is None or entry.version == draft_version(draft):
        return
    raise ReadingError(
        "draft_changed",
        _("Not saved: you have changed this read in another window since this one was opened."),
    )


@transaction.atomic
def discard_draft(study: Study, reader: User) -> None:
    """Delete the reader's own draft, if there is one."""
    for draft in Read.objects.filter(study=study, reader=reader, state=ReadState.DRAFT):
        append(Event(Action.READ_SAVED, "read", draft.pk, study.pk, {"discarded": True}), reader)
        draft.delete()


def sign(
    study: Study, reader: User, entry: Entry, secret: Secret, *, pin_is_open: bool = False
) -> Read:
    """Sign the read that is due, or an amendment of one's own; idempotent.

    The study leaves the worklist unless a second read or an arbitration follows. `secret` is the
    password, a passkey that has answered, or with `pin_is_open` the signing PIN. Raises
    ReadingError with a code of `save_draft`, which saves nothing then, or one of wrong_password,
    directory_unreachable, already_signed, already_amended, reading_changed, not_blind, prior,
    reserved, result_changed, images_changed, images_not_viewed, reason_missing, identity_changed,
    incomplete and not_fitting: the draft is then saved.
    """
    draft = save_draft(study, reader, entry)
    entry = replace(entry, version=None)
    failure = Event(Action.SIGNATURE_FAILED, "read", draft.pk, study.pk)
    check_signer(reader, secret, failure, pin_is_open)
    with transaction.atomic():
        locked = Study.objects.select_for_update(no_key=True).get(pk=study.pk)
        read = save_draft(locked, reader, entry)
        if read.state == ReadState.SIGNED:
            return read
        if read.amends is not None:
            refuse_amendment(read.amends, read.reason)
            read.kind, read.revision = read.amends.kind, read.amends.revision + 1
        else:
            read.kind = _kind_to_sign(locked, reader, entry)
            _refuse_if_reserved(locked, reader, entry)
        refuse_changed_images(locked, entry.images)
        current = result_for(locked, reader)
        _check_complete(read, entry, current)
        not_viewed = images_not_viewed(locked, reader)
        refuse_unviewed(locked, read, not_viewed)
        # A reader who read without the model is bound to no result.
        read.prediction = None if read.decision == Decision.UNAIDED else current
        read.identity = lock_identity(locked, entry.identity)
        read.state, read.signed_at = ReadState.SIGNED, clock()
        read.save()
        due = advance(locked, read)
        locked.reading_state = ReadingState.UNREAD if due else ReadingState.SIGNED
        locked.save(update_fields=["reading_state"])
        reservation.end_by_signature(locked, reader if read.amends is not None else None)
        action = Action.READ_AMENDED if read.amends is not None else Action.READ_SIGNED
        detail = _signed_detail(read, not_viewed)
        if isinstance(secret, Passkey):
            detail["passkey"] = str(secret.pk)
        append(Event(action, "read", read.pk, study.pk, detail), reader)
    return read


def _signed_detail(read: Read, not_viewed: list[Radiograph]) -> dict[str, object]:
    """The whole read for the trail; values that identify the patient as SHA-256."""
    detail: dict[str, object] = {
        "kind": read.kind,
        "decision": read.decision,
        "pneumonia": read.pneumonia,
        "zones": read.zones,
        "other_findings": read.other_findings,
        "marks": read.marks,
        "measurements": read.measurements,
        "patient": read.identity["patient"],
        "identity_sha256": version_of(read.identity),
        "text_sha256": hashlib.sha256(read.comment.encode()).hexdigest(),
    }
    if read.prediction is not None:
        detail["prediction"] = str(read.prediction.pk)
        detail["category"] = read.prediction.shown_category
        detail["model"] = read.prediction.model_version.version
    if read.amends_id is not None:
        detail["amends"], detail["revision"] = str(read.amends_id), read.revision
        detail["reason_sha256"] = hashlib.sha256(read.reason.encode()).hexdigest()
    if not_viewed:
        detail["images_not_viewed"] = [str(image.pk) for image in not_viewed]
    return detail


def _check_values(study: Study, entry: Entry) -> None:
    known = (
        entry.decision in ("", *Decision.values)
        and entry.pneumonia in ("", *Pneumonia.values)
        and set(entry.zones) <= set(Zone.values)
        and set(entry.other_findings) <= set(OtherFinding.values)
    )
    if not known:
        raise ReadingError(
            "unknown_value", _("The decision or a finding is not one of those known.")
        )
    wrong_mark = why_refused(study, entry.marks)
    if wrong_mark:
        raise ReadingError("wrong_mark", wrong_mark)
    wrong_measurement = measurements.why_refused(study, entry.measurements)
    if wrong_measurement:
        raise ReadingError("wrong_measurement", wrong_measurement)
    if entry.seen is None:
        return
    if not Prediction.objects.filter(pk=entry.seen, radiograph__study=study).exists():
        raise ReadingError("unknown_value", _("The result named is not one of this study."))


def _kind_to_sign(study: Study, reader: User, entry: Entry) -> str:
    """Which read of the study this reader may sign now."""
    if study.reading_state == ReadingState.PRIOR:
        raise ReadingError("prior", str(PRIOR))
    due = due_read(study)
    if has_signed(study, reader):
        raise ReadingError(
            "already_signed",
            _(
                "You have already signed a read of this study. Your text is kept: amend your "
                "read, sign the text as an addendum, or discard it."
            ),
        )
    if not due:
        raise ReadingError(
            "already_signed",
            _(
                "{reader} has signed this study in the meantime. Your text is kept: sign it as an"
                " addendum, or discard it."
            ).format(reader=signed_reads(study)[-1].reader),
        )
    if not may_make(due, reader, has_signed=False):
        raise ReadingError(
            "not_blind",
            str(NOT_BLIND),
        )
    if due == ReadKind.FIRST and entry.kind not in (None, "", due):
        raise ReadingError(
            "reading_changed",
            _(
                "The first reader has taken the signature back, so that this study waits for its"
                " first read again. Look at what is shown now, check what you wrote and sign again;"
                " your text is kept."
            ),
        )
    if entry.kind not in (None, "", due):
        raise ReadingError(
            "reading_changed",
            _(
                "Another reader has signed this study since you opened the page, and it goes on to"
                " one more reader. Look at what is shown now, check what you wrote and sign again;"
                " your text is kept."
            ),
        )
    return due


def _refuse_if_reserved(study: Study, reader: User, entry: Entry) -> None:
    present = reservation.reservation_of(study)
    if present is None or present.reader_id == reader.pk or entry.despite_reservation:
        return
    raise ReadingError(
        "reserved",
        _(
            "{reader} is reading this study. Agree who reads it; to sign anyway, tick the box "
            "and sign again. Your text is kept."
        ).format(reader=present.reader),
    )


def _check_complete(read: Read, entry: Entry, current: Prediction | None) -> None:
    if entry.seen != (current.pk if current else None):
        raise ReadingError(
            "result_changed",
            _(
                "The model's result has changed since you opened this page. Look at the new result"
                " below, check your read and sign again; your text is kept."
            ),
        )
    if not read.decision:
        raise ReadingError("incomplete", _("Choose a decision before you sign."))
    choices = open_choices(current.shown_category if current else "")
    if (read.decision, read.pneumonia) not in choices:
        raise ReadingError(
            "not_fitting",
            _("The decision, the finding and the model's result do not fit together."),
        )
    if read.zones and read.pneumonia not in (Pneumonia.POSSIBLE, Pneumonia.DEFINITE):
        raise ReadingError("not_fitting", _("A zone is marked, but the finding is not pneumonia."))
    missing = marked_but_unrecorded(entry.marks, read.pneumonia, read.other_findings)
    if missing:
        raise ReadingError(
            "not_fitting",
            _("“{finding}” is marked on an image, but not put down as a finding.").format(
                finding=missing
            ),
        )


def _signed_the_same(study: Study, reader: User, entry: Entry) -> Read | None:
    """The reader's signed read, if identical to `entry`: a repeated request."""
    signed = own_signed_read(study, reader)
    if signed is None or not _holds(signed, entry):
        return None
    is_same_amendment = signed.amends_id == entry.amends and signed.reason == entry.reason
    return signed if entry.amends is None or is_same_amendment else None


def _is_kept(draft: Read, entry: Entry) -> bool:
    return (
        _holds(draft, entry)
        and draft.prediction_id == entry.seen
        and draft.amends_id == entry.amends
        and draft.reason == entry.reason
    )


def _holds(read: Read, entry: Entry) -> bool:
    return (
        read.decision == entry.decision
        and read.pneumonia == entry.pneumonia
        and set(read.zones) == set(entry.zones)
        and set(read.other_findings) == set(entry.other_findings)
        and set(parse_marks(read.marks)) == set(entry.marks)
        and set(measurements.parse_measurements(read.measurements)) == set(entry.measurements)
        and read.comment == entry.comment
    )
