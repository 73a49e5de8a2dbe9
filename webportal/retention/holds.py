"""Placing and lifting legal holds."""

from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from webportal.accounts.models import User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.records.models import Patient, Study
from webportal.refusals import Conflict
from webportal.retention.models import REASON_LENGTH, LegalHold


class HoldError(Conflict):
    """A hold cannot be placed."""


def open_holds() -> QuerySet[LegalHold]:
    """The holds that have not been lifted."""
    return LegalHold.objects.filter(lifted_at=None)


def holds_of(patient: Patient) -> QuerySet[LegalHold]:
    """The open holds on a patient and on their studies."""
    return open_holds().filter(Q(patient=patient) | Q(study__patient=patient))


def place(on: Patient | Study, reason: str, by: User) -> LegalHold:
    """Keep a patient's studies, or one study, until the hold is lifted.

    Raises HoldError if there is no reason or a hold already, and for a temporary patient, who
    disappears when the study is identified.
    """
    reason = reason.strip()
    if not reason:
        raise HoldError(_("Give the reason of the hold."))
    if len(reason) > REASON_LENGTH:
        raise HoldError(
            _("The reason is too long: at most {count} characters.").format(count=REASON_LENGTH)
        )
    if isinstance(on, Patient) and on.is_temporary:
        raise HoldError(_("The identity is temporary. Place the hold on the study."))
    kind = "patient" if isinstance(on, Patient) else "study"
    try:
        with transaction.atomic():
            hold = LegalHold.objects.create(
                **{kind: on}, reason=reason, placed_at=timezone.now(), placed_by=by
            )
            study_id = on.pk if isinstance(on, Study) else None
            detail = {"hold": str(hold.pk), "reason": reason}
            append(Event(Action.HOLD_PLACED, kind, on.pk, study_id, detail), by)
    except IntegrityError as error:
        raise HoldError(_("There is a hold on it already.")) from error
    return hold


def lift(hold: LegalHold, by: User) -> bool:
    """Lift a hold; return False if it has been lifted already."""
    with transaction.atomic():
        if not open_holds().filter(pk=hold.pk).update(lifted_at=timezone.now(), lifted_by=by):
            return False
        kind = "patient" if hold.patient_id else "study"
        object_id = hold.patient_id or hold.study_id
        assert object_id is not None
        detail = {"hold": str(hold.pk)}
        append(Event(Action.HOLD_LIFTED, kind, object_id, hold.study_id, detail), by)
    return True


def follow(study: Study, former: Patient, **_signal: Any) -> list[Event]:
    """Place a study on hold that leaves a patient with a hold; return the audit events.

    The move may be a mistake, and whoever placed the hold meant this study, too. The study's own
    hold is lifted like any other.
    """
    hold = open_holds().filter(patient=former).first()
    if hold is None or open_holds().filter(study=study).exists():
        return []
    own = LegalHold.objects.create(
        study=study, reason=hold.reason, placed_at=timezone.now(), placed_by=hold.placed_by
    )
    detail = {"hold": str(own.pk), "reason": own.reason, "follows": str(hold.pk)}
    return [Event(Action.HOLD_PLACED, "study", study.pk, study.pk, detail)]
