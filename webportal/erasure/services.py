"""Requests, confirms and declines erasures."""

import hashlib
import uuid

from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from webportal.accounts import separation
from webportal.accounts.models import User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.erasure import plan as plans
from webportal.erasure.messages import OBSTACLES
from webportal.erasure.models import REASON_LENGTH, REFERENCE_LENGTH, Erasure, ErasureState
from webportal.erasure.obstacles import obstacles
from webportal.erasure.plan import Plan
from webportal.records.models import Patient
from webportal.refusals import Conflict
from webportal.retention import rule
from webportal.review.reads.authentication import Secret, confirm_signer

# Held while studies that are due are requested, so that two people do not request them at once.
_REQUESTING = 0x6572617365  # "erase"


class ErasureError(Conflict):
    """An erasure cannot be requested, confirmed or declined."""


def open_erasure_of(patient: Patient) -> Erasure | None:
    """The patient's erasure that is requested or in progress."""
    states = [ErasureState.REQUESTED, ErasureState.CONFIRMED]
    return Erasure.objects.filter(patient=patient.pk, state__in=states).first()


@transaction.atomic
def request(patient: Patient, reason: str, reference: str, by: User) -> Erasure:
    """Request the erasure of a patient, which another person has to confirm.

    Raises ErasureError if the reason is empty, there are obstacles, or an erasure is open already.
    """
    erasure = _new(reason, reference, by, patient=patient.pk)
    refuse_obstacles(plans.of_patient(patient))
    try:
        with transaction.atomic():
            erasure.save()
    except IntegrityError as error:
        raise ErasureError(_("The erasure of this patient has been requested already.")) from error
    _record(Action.ERASURE_REQUESTED, erasure, by)
    return erasure


def plan_of(erasure: Erasure) -> Plan | None:
    """What the erasure would delete now; None if the patient no longer exists."""
    patient = Patient.objects.filter(pk__in=[erasure.patient] if erasure.patient else []).first()
    return plans.of_patient(patient) if patient is not None else None


def refuse_obstacles(plan: Plan) -> None:
    """Raise ErasureError with all obstacles to an erasure, if any."""
    found = obstacles(plan)
    if found:
        words = " ".join(str(OBSTACLES[code]) for code in found)
        raise ErasureError(_("Nothing is erased. {reasons}").format(reasons=words))


def confirm(erasure: Erasure, digest: str, secret: Secret, by: User) -> None:
    """Confirm an erasure requested by someone else; the scheduler carries it out.

    `digest` is that of the list shown to the person. Raises ErasureError if the list has changed
    since, the same person requested the erasure or may have done so by another account, or there
    are obstacles, and AccountError if the password is wrong, or the passkey is somebody else's.
    """
    _refuse_requester(erasure, by)
    confirm_signer(by, secret, pin_is_open=False)
    with transaction.atomic():
        locked = _lock(erasure)
        if _digest_to_confirm(locked) != digest:
            raise ErasureError(_("The list has changed since it was shown. Look at it again."))
        _confirm(locked, digest, by)
        locked.save()
        _record(Action.ERASURE_CONFIRMED, locked, by)


def _refuse_requester(erasure: Erasure, by: User) -> None:
    """Raise ErasureError for whoever requested it, and may have done so by another account."""
    requester = erasure.requested_by_id
    if requester == by.pk:
        raise ErasureError(_("Whoever requested an erasure cannot confirm it: ask somebody else."))
    if requester and separation.is_enforced() and separation.may_be_one(by.pk, requester):
        raise ErasureError(
            _(
                "Somebody has created or reset your account and that of whoever requested the"
                " erasure within three days, or you have theirs: ask somebody else to confirm it."
            )
        )


def _digest_to_confirm(erasure: Erasure) -> str:
    """The digest of what would be erased now; raises ErasureError if nothing may be.

    Of studies that are due the list stays as it was requested: those that are due no more when
    their turn comes are left.
    """
    if not erasure.is_of_patient:
        return digest_of(erasure.studies)
    plan = plan_of(erasure)
    if plan is None:
        raise ErasureError(_("The patient is gone already. Decline the erasure."))
    refuse_obstacles(plan)
    return plan.digest


@transaction.atomic
def decline(erasure: Erasure, by: User) -> None:
    """Decline an erasure. Raises ErasureError if it has been confirmed."""
    locked = _lock(erasure)
    locked.state, locked.waits_for = ErasureState.DECLINED, ""
    locked.decided_at, locked.decided_by = timezone.now(), by
    locked.save()
    _record(Action.ERASURE_DECLINED, locked, by)


def certificate_of(erasure: Erasure, by: User) -> bytes:
    """The certificate of a finished erasure, as a PDF. Raises ErasureError until it is done."""
    # Imported here, because the PDF libraries take a fifth of a portal process's memory.
    from webportal.erasure.certificate import as_pdf

    if erasure.state != ErasureState.DONE:
        raise ErasureError(_("There is a certificate once the erasure is done."))
    content = as_pdf(erasure)
    append(Event(Action.CERTIFICATE_OPENED, "erasure", erasure.pk), by)
    return content


def digest_of_due() -> str:
    """Digest of the list of studies due for erasure."""
    return digest_of([str(key) for key in rule.due().values_list("pk", flat=True)])


def erase_due(digest: str, secret: Secret, reason: str, reference: str, by: User) -> Erasure:
    """Request the erasure of the studies that are due, for another member of IT to confirm.

    A single administrator (webportal.accounts.separation) confirms it by the request. The scheduler
    then erases them one by one. Raises ErasureError if the list is empty or has changed since it
    was shown, or an erasure of due studies is to be confirmed already, and AccountError if the
    password is wrong, or the passkey is somebody else's.
    """
    confirm_signer(by, secret, pin_is_open=False)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_REQUESTING])
        if due_to_confirm() is not None:
            raise ErasureError(_("The erasure of studies that are due has been requested already."))
        studies = [str(key) for key in rule.due().values_list("pk", flat=True)]
        if not studies:
            raise ErasureError(_("No study is due."))
        if digest_of(studies) != digest:
            raise ErasureError(_("The list has changed since it was shown. Look at it again."))
        erasure = _new(reason, reference, by, studies=studies)
        takes_two = separation.is_enforced()
        if not takes_two:
            _confirm(erasure, digest, by)
        erasure.save()
        _record(Action.ERASURE_REQUESTED if takes_two else Action.ERASURE_CONFIRMED, erasure, by)
    return erasure


def due_to_confirm() -> Erasure | None:
    """The erasure of due studies that somebody has requested and nobody has decided on."""
    requested = Erasure.objects.filter(state=ErasureState.REQUESTED, patient=None)
    return requested.order_by("requested_at").first()


def _new(reason: str, reference: str, by: User | None, **what: object) -> Erasure:
    reason, reference = reason.strip(), reference.strip()
    if not reason:
        raise ErasureError(_("Give the reason of the erasure."))
    for text, most in ((reason, REASON_LENGTH), (reference, REFERENCE_LENGTH)):
        if len(text) > most:
            raise ErasureError(
                _("That is too long: at most {count} characters.").format(count=most)
            )
    erasure = Erasure(reason=reason, reference=reference, requested_at=timezone.now(), **what)
    erasure.requested_by = by
    return erasure


def _confirm(erasure: Erasure, digest: str, by: User | None) -> None:
    erasure.state, erasure.waits_for = ErasureState.CONFIRMED, ""
    erasure.decided_at, erasure.decided_by, erasure.digest = timezone.now(), by, digest


def _lock(erasure: Erasure) -> Erasure:
    locked = Erasure.objects.select_for_update().get(pk=erasure.pk)
    if locked.state != ErasureState.REQUESTED:
        raise ErasureError(_("Somebody else has decided on it already."))
    return locked


def digest_of(keys: list[str]) -> str:
    """Digest of a list of studies, whatever their order."""
    return hashlib.sha256("\n".join(sorted(keys)).encode()).hexdigest()


def _record(action: Action, erasure: Erasure, by: User | None) -> None:
    detail = {"reason": erasure.reason, "reference": erasure.reference}
    if erasure.studies:
        detail["studies"] = str(len(erasure.studies))
    append(Event(action, "erasure", erasure.pk, detail=detail), by)


def confirm_by_command(patient_id: uuid.UUID, digest: str, reason: str, reference: str) -> Erasure:
    """Request and confirm an erasure on the command line, whose users have full access anyway.

    Raises ErasureError as `request` and `confirm` do.
    """
    with transaction.atomic():
        patient = Patient.objects.get(pk=patient_id)
        erasure = open_erasure_of(patient) or _new(reason, reference, None, patient=patient.pk)
        plan = plans.of_patient(patient)
        refuse_obstacles(plan)
        if plan.digest != digest:
            raise ErasureError(_("The list has changed since it was shown. Look at it again."))
        if erasure.state == ErasureState.REQUESTED:
            _confirm(erasure, digest, None)
            erasure.save()
            _record(Action.ERASURE_CONFIRMED, erasure, None)
    return erasure
