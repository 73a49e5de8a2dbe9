"""Moving a study to another department."""

import uuid

from django.db import transaction
from django.utils.translation import gettext as _

from webportal.accounts.departments import who_sees
from webportal.accounts.models import Department, Role, User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append_all
from webportal.records.models import Study
from webportal.records.services import RecordError
from webportal.review.reads.reservation import reservation_of

#: Who moves studies: whoever sends one away may not see it afterwards.
MOVERS = (Role.COORDINATOR,)


def _sees(person: uuid.UUID, department: Department) -> bool:
    return User.objects.filter(who_sees(department.pk), pk=person).exists()


def referrer_without_access(study: Study) -> User | None:
    """The person who is to get the report, if they do not see the study's department."""
    referrer = study.referrer
    return None if referrer is None or _sees(referrer.pk, study.department) else referrer


@transaction.atomic
def move_to_department(study: Study, department: Department, by: User) -> None:
    """Let a study belong to another department; earlier reads stay as they are.

    An assignment to somebody who does not see it there ends. Raises RecordError while somebody else
    is reading it, and where it belongs there already.
    """
    locked = Study.objects.select_for_update(of=("self",), no_key=True).get(pk=study.pk)
    if locked.department_id == department.pk:
        raise RecordError(_("The study belongs to this department already."))
    present = reservation_of(locked)
    if present is not None and present.reader_id != by.pk:
        raise RecordError(
            _("{reader} is reading this study. Agree with them first.").format(
                reader=present.reader
            )
        )
    detail = {"department": str(department.pk), "from_department": str(locked.department_id)}
    events = [Event(Action.STUDY_MOVED, "study", locked.pk, locked.pk, detail)]
    locked.department = department
    changed = ["department"]
    reader = locked.assigned_reader_id
    if reader is not None and not _sees(reader, department):
        unassigned = {"fields": ["assigned_reader"], "from": str(reader), "to": ""}
        events.append(Event(Action.STUDY_CHANGED, "study", locked.pk, locked.pk, unassigned))
        locked.assigned_reader = locked.assigned_at = locked.assigned_since = None
        changed += ["assigned_reader", "assigned_at", "assigned_since"]
    locked.save(update_fields=changed)
    append_all(events, by)
