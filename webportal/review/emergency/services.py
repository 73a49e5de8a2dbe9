"""Starts, ends and reviews emergency accesses.

A user who urgently needs to see a patient of another department authenticates again, enters the
exact Patient ID or accession number, and gives a reason. Others are alerted at once, the access
expires automatically, and it awaits review until an auditor has recorded the outcome.
"""

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.dispatch import Signal
from django.utils import timezone
from django.utils.translation import gettext as _

from webportal.accounts.models import User
from webportal.accounts.services import AccountError, PasswordUncheckedError
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.records.models import EmergencyAccess, Patient, ReviewOutcome, Study
from webportal.refusals import Conflict
from webportal.review.reads.authentication import Secret, confirm_signer

#: How long before its end an access can be renewed, and how long afterwards it is offered.
RENEWABLE = timedelta(minutes=10)

#: Sent within the transaction when an access (`access`) has begun.
begun = Signal()


class EmergencyError(Conflict):
    """The operation was refused; the message says why and what to do."""


class NotAuthenticatedError(EmergencyError):
    """The user could not be authenticated."""


def begin(
    person: User,
    number: str,
    reason: str,
    secret: Secret,
    *,
    issuer: str = "",
    pin_is_open: bool = False,
) -> EmergencyAccess:
    """Grant access to all data of one patient for EMERGENCY_ACCESS_MINUTES, and alert others.

    `number` is the exact Patient ID or accession number. A running access to the patient is ended
    and replaced in its last minutes (RENEWABLE). Raises NotAuthenticatedError, or
    EmergencyError if it matches no patient, several, or one already visible to the user. The user
    is authenticated first, so that nobody else learns whether the patient exists.
    """
    try:
        confirm_signer(person, secret, pin_is_open)
    except PasswordUncheckedError as error:
        raise EmergencyError(str(error)) from error
    except AccountError as error:
        _record_failure(person, "authentication")
        raise NotAuthenticatedError(str(error)) from error
    if not reason.strip():
        raise EmergencyError(_("Give the reason."))
    found = list(_patients(number, issuer)[:2])
    if not found:
        _record_failure(person, "not_found")
        raise EmergencyError(
            _("No patient has exactly this Patient ID or accession number. Nothing was opened.")
        )
    if len(found) > 1:
        _record_failure(person, "ambiguous")
        raise EmergencyError(
            _("Several patients have this number. Add the issuer of the Patient ID.")
        )
    return _open(person, found[0], reason.strip())


def _patients(number: str, issuer: str) -> QuerySet[Patient]:
    """The patients of this Patient ID; if there are none, of this accession number."""
    possible = Patient.objects.filter(issuer=issuer) if issuer else Patient.objects.all()
    found = possible.filter(patient_id=number)
    if found.exists():
        return found
    # A study may have several accession numbers (A\\B).
    is_one = (
        Q(accession_number=number)
        | Q(accession_number__startswith=f"{number}\\")
        | Q(accession_number__endswith=f"\\{number}")
        | Q(accession_number__contains=f"\\{number}\\")
    )
    return possible.filter(pk__in=Study.objects.filter(is_one).values("patient"))


@transaction.atomic
def _open(person: User, patient: Patient, reason: str) -> EmergencyAccess:
    # Serialises concurrent requests: the second one finds the access of the first.
    User.objects.select_for_update(no_key=True).get(pk=person.pk)
    _end_for_renewal(person, patient)
    visible = patient.studies.visible_to(person)
    if not patient.studies.exclude(pk__in=visible.values("pk")).exists():
        raise EmergencyError(_("You can already see all studies of this patient."))
    now = timezone.now()
    access = EmergencyAccess.objects.create(
        person=person,
        patient=patient,
        reason=reason,
        began_at=now,
        ends_at=now + timedelta(minutes=settings.EMERGENCY_ACCESS_MINUTES),
    )
    begun.send(sender=EmergencyAccess, access=access)
    detail = {
        "patient": str(patient.pk),
        "reason": reason,
        "until": access.ends_at.isoformat(),
    }
    append(Event(Action.EMERGENCY_BEGUN, "emergency", access.pk, detail=detail), person)
    return access


def _end_for_renewal(person: User, patient: Patient) -> None:
    """End the user's running access to the patient, which the new one continues."""
    earlier = running(person).filter(patient=patient).first()
    if earlier is None:
        return
    if earlier.ends_at - timezone.now() > RENEWABLE:
        words = _(
            "Your access to this patient has not ended yet. You can renew it in its last {minutes}"
            " minutes."
        )
        raise EmergencyError(words.format(minutes=RENEWABLE // timedelta(minutes=1)))
    end(earlier)


def _record_failure(person: User, why: str) -> None:
    append(Event(Action.EMERGENCY_FAILED, "user", person.pk, detail={"why": why}), person)


def running(person: User) -> QuerySet[EmergencyAccess]:
    """A user's accesses that have not ended."""
    return EmergencyAccess.objects.filter(person=person, ends_at__gt=timezone.now())


def renewable(person: User) -> QuerySet[EmergencyAccess]:
    """A user's accesses that are running or have just ended, with the patient."""
    accesses = EmergencyAccess.objects.filter(person=person).select_related("patient")
    return accesses.filter(ends_at__gt=timezone.now() - RENEWABLE)


@transaction.atomic
def end(access: EmergencyAccess) -> None:
    """End an access early; one that has ended is left unchanged."""
    locked = EmergencyAccess.objects.select_for_update().select_related("person").get(pk=access.pk)
    now = timezone.now()
    if locked.ends_at <= now:
        return
    locked.ends_at = now
    locked.save(update_fields=["ends_at"])
    detail = {"patient": str(locked.patient_id), "until": now.isoformat()}
    append(Event(Action.EMERGENCY_ENDED, "emergency", locked.pk, detail=detail), locked.person)


@transaction.atomic
def review(access: EmergencyAccess, outcome: str, remark: str, by: User) -> None:
    """Record the outcome of an access's review.

    Raises EmergencyError if it is still running, the user's own, or already reviewed.
    """
    locked = EmergencyAccess.objects.select_for_update().get(pk=access.pk)
    if locked.person_id == by.pk:
        raise EmergencyError(_("Somebody else has to review your own emergency access."))
    if locked.ends_at > timezone.now():
        raise EmergencyError(_("The access has not ended yet. Review it afterwards."))
    if locked.outcome:
        raise EmergencyError(_("Somebody else has reviewed it already."))
    locked.outcome, locked.remark = ReviewOutcome(outcome), remark.strip()
    locked.reviewed_by, locked.reviewed_at = by, timezone.now()
    locked.save(update_fields=["outcome", "remark", "reviewed_by", "reviewed_at"])
    detail = {
        "patient": str(locked.patient_id),
        "outcome": locked.outcome,
        "remark": locked.remark,
    }
    append(Event(Action.EMERGENCY_REVIEWED, "emergency", locked.pk, detail=detail), by)
