"""Carries out erasures in the background, in steps that can be interrupted and resumed.

A transaction per patient or study deletes the rows, mentions in kept data, and details in the audit
trail. Files follow, then the register entry, then the final state. Calling again resumes the
erasure.
"""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db import OperationalError, connection, transaction
from django.db.models import QuerySet
from django.utils import timezone
from psycopg.errors import LockNotAvailable

from webportal.audit import erasure as trail
from webportal.audit.keyring import MissingKeyError
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.erasure import elsewhere, files, register
from webportal.erasure import plan as plans
from webportal.erasure.files import AwayError
from webportal.erasure.messages import WAITING
from webportal.erasure.models import Erasure, ErasureState
from webportal.erasure.obstacles import obstacles
from webportal.erasure.plan import Plan
from webportal.erasure.register import Registered, RegisterError
from webportal.erasure.rows import delete, known_to_the_trail
from webportal.intake.models import UploadItem
from webportal.network.models import ReceivedInstance
from webportal.records.models import Patient, Study
from webportal.research import services as research
from webportal.retention import rule
from webportal.storage import StorageAwayError

#: Models whose rows are looked up in a restored backup.
_ROOTS: tuple[type[Any], ...] = (Patient, Study, UploadItem, ReceivedInstance)
_CLOSED = (ErasureState.DONE, ErasureState.DECLINED)


def carry_out_confirmed(most_seconds: float) -> None:
    """Continue confirmed erasures, oldest first, until the time is up."""
    until = time.monotonic() + most_seconds
    for erasure in Erasure.objects.filter(state=ErasureState.CONFIRMED).order_by("decided_at"):
        carry_out(erasure, until)
        if time.monotonic() > until:
            return


def carry_out(erasure: Erasure, until: float = float("inf"), *, again: bool = False) -> Erasure:
    """Continue an erasure until it is done, blocked, or the time is up.

    `again` repeats an erasure after a restore, without checking for obstacles.
    """
    try:
        while _erase_next(erasure.pk, again=again):
            if time.monotonic() > until:
                return Erasure.objects.get(pk=erasure.pk)
    except AwayError as error:
        _wait_for(erasure, error.code)
    except MissingKeyError:
        # A key of this patient's audit entries is missing; other erasures continue.
        _wait_for(erasure, "key")
    except OperationalError as error:
        if not isinstance(error.__cause__, LockNotAvailable):
            raise
        _wait_for(erasure, "busy")
    else:
        erasure = Erasure.objects.get(pk=erasure.pk)
        return _finish(erasure) if erasure.state == ErasureState.CONFIRMED else erasure
    return Erasure.objects.get(pk=erasure.pk)


def _wait_for(erasure: Erasure, code: str) -> None:
    waiting = Erasure.objects.filter(pk=erasure.pk, state=ErasureState.CONFIRMED)
    waiting.update(waits_for=code)


@transaction.atomic
def _erase_next(key: UUID, *, again: bool) -> bool:
    """Erase the rows of the patient, or of the next study; return False if none is left.

    Raises AwayError, and OperationalError if another transaction has locked one of the rows.
    """
    erasure = Erasure.objects.select_for_update().get(pk=key)
    if erasure.state != ErasureState.CONFIRMED:
        return False
    if erasure.is_of_patient:
        found = Patient.objects.filter(pk__in=[erasure.patient]).first()
        if found is None and not erasure.entries:
            # For example, a temporary patient whose studies have been identified meanwhile.
            _ask_again(erasure, "changed")
        return found is not None and _erase_patient(erasure, found, again=again)
    if not erasure.studies:
        return False
    study_id = erasure.studies.pop(0)
    study = Study.objects.filter(pk=study_id).first()
    if study is not None:
        _erase_study(erasure, study, again=again)
    erasure.save()
    return True


def _erase_patient(erasure: Erasure, patient: Patient, *, again: bool) -> bool:
    _lock(patient)
    plan = plans.of_patient(patient)
    in_the_way = [] if again else obstacles(plan)
    if in_the_way or (erasure.digest and plan.digest != erasure.digest):
        _ask_again(erasure, (in_the_way or ["changed"])[0])
        return False
    _erase(erasure, plan)
    erasure.save()
    return True


def _ask_again(erasure: Erasure, code: str) -> None:
    """Have the erasure confirmed again, because the data has changed meanwhile."""
    erasure.state, erasure.decided_at, erasure.decided_by = ErasureState.REQUESTED, None, None
    erasure.waits_for, erasure.digest = code, ""
    erasure.save()


def _erase_study(erasure: Erasure, study: Study, *, again: bool) -> None:
    patient = study.patient
    _lock(patient)
    is_last = not patient.studies.exclude(pk=study.pk).exists()
    plan = plans.of_patient(patient) if is_last else plans.of_study(study)
    if is_last and _has_more(plan):
        # The record of a patient with new files is kept.
        plan = plans.of_study(study)
    in_the_way = [] if again else obstacles(plan)
    if not (again or in_the_way or rule.due().filter(pk=study.pk).exists()):
        in_the_way = ["not_due"]
    if in_the_way:
        erasure.skipped.append([str(study.pk), in_the_way[0]])
    else:
        _erase(erasure, plan)


def _has_more(plan: Plan) -> bool:
    """Whether the patient has files not assigned to a study yet."""
    waiting = any(key.startswith(files.INBOX) for key in plan.files)
    return waiting or bool(plan.undecided or plan.others)


def _lock(patient: Patient) -> None:
    """Lock in the same order as all other code: studies, patient, head of the audit trail."""
    locked: list[QuerySet[Any]] = [
        Study.objects.filter(patient=patient).order_by("pk"),
        Patient.objects.filter(pk=patient.pk),
    ]
    for rows in locked:
        list(rows.select_for_update().values_list("pk", flat=True))


def _erase(erasure: Erasure, plan: Plan) -> None:
    # Checked when the plan is made: on an unmounted volume no files would be found.
    files.refuse_if_away()
    _lock_rows(plan)
    counts = plan.counts
    removed = known_to_the_trail(plan.rows)
    removed["patient"] = removed.get("patient", set()) | plan.former
    elsewhere.clear(plan.elsewhere)
    withdrawn = research.withdraw(plan.studies, erasure.decided_by)
    detail = {"counts": counts, "accesses": plan.elsewhere.accesses}
    event = Event(Action.RECORDS_ERASED, "erasure", erasure.pk, detail=detail)
    entry = trail.erase(plan.entries, event, removed, erasure.decided_by)
    with connection.cursor() as cursor:
        # This setting makes the database triggers allow deleting signed rows.
        cursor.execute(
            "SELECT set_config('chestline.erasure', %s, true), access_erase(%s)",
            [str(entry.sequence), entry.sequence],
        )
    delete(plan.rows)
    erasure.entries.append(entry.sequence)
    erasure.files = sorted({*erasure.files, *plan.files, *withdrawn})
    erasure.hashes = sorted({*erasure.hashes, *plan.hashes})
    erasure.unreadable = max(erasure.unreadable, len(plan.unreadable))
    erasure.counts = dict(Counter(erasure.counts) + Counter(counts))
    for model in _ROOTS:
        known = erasure.gone.setdefault(model._meta.label_lower, [])
        known += sorted(str(key) for key in plan.rows.get(model, ()))


def _lock_rows(plan: Plan) -> None:
    """Lock the rows without waiting: others may wait for the head of the audit trail with one."""
    for model, keys in plan.rows.items():
        rows = model._base_manager.filter(pk__in=keys)
        list(rows.select_for_update(nowait=True, of=("self",)).values_list("pk", flat=True))


def _finish(erasure: Erasure) -> Erasure:
    """Remove the files, write the register entry and finish; if blocked, record the reason."""
    waits_for = _remove_files(erasure) or _write_register(erasure)
    with transaction.atomic():
        erasure = Erasure.objects.select_for_update().get(pk=erasure.pk)
        erasure.waits_for = waits_for
        if not waits_for and erasure.state == ErasureState.CONFIRMED:
            erasure.state, erasure.finished_at = ErasureState.DONE, timezone.now()
            detail = {"files": len(erasure.hashes), "entries": erasure.entries}
            append(Event(Action.FILES_ERASED, "erasure", erasure.pk, detail=detail))
        erasure.save()
    return erasure


def _remove_files(erasure: Erasure) -> str:
    left = list(erasure.files)
    try:
        while left and files.remove(left[-1]):
            left.pop()
    except AwayError as error:
        return error.code
    except OSError:
        return "storage"
    finally:
        Erasure.objects.filter(pk=erasure.pk).update(files=left)
    return "backup" if left else ""


def _write_register(erasure: Erasure) -> str:
    entry = Registered(
        id=str(erasure.pk),
        at=timezone.now().isoformat(),
        reason=erasure.reason,
        reference=erasure.reference,
        gone=erasure.gone,
    )
    try:
        if erasure.hashes:
            files.refuse_if_storage_away()
        register.write(entry)
    except AwayError as error:
        return error.code
    except StorageAwayError:
        return "storage"
    except Exception:  # S3 clients raise many kinds
        return "repository"
    return ""


def reapply(say: Callable[[str], object] = lambda line: None) -> int:
    """Repeat the erasures that a restored backup has undone; return their number.

    Raises RegisterError.
    """
    entries = list(register.read())
    try:
        if entries:
            files.refuse_if_away()
    except AwayError as error:
        raise RegisterError(str(WAITING[error.code])) from error
    studies = {key for entry in entries for key in entry.gone.get(Study._meta.label_lower, ())}
    return sum(_reapply(entry, studies, say) for entry in entries)


def _reapply(entry: Registered, erased_studies: set[str], say: Callable[[str], object]) -> bool:
    there = {
        model: set(model._base_manager.filter(pk__in=entry.gone.get(label, ())))
        for model, label in ((each, each._meta.label_lower) for each in _ROOTS)
    }
    if not any(there.values()):
        return False
    for patient in there[Patient]:
        # In the backup, the patient may still have a study later reassigned to another patient.
        others = patient.studies.exclude(pk__in=erased_studies)
        if others.exists():
            say(f"Patient {patient.pk} was erased, and has studies that were not: look at them.")
            continue
        Erasure.objects.filter(patient=patient.pk).exclude(state__in=_CLOSED).delete()
        carry_out(_anew(entry, patient=patient.pk), again=True)
    left = Study.objects.filter(pk__in=[each.pk for each in there[Study]])
    if left.exists():
        carry_out(_anew(entry, studies=[str(each.pk) for each in left]), again=True)
    files_left = {
        model: set(model._base_manager.filter(pk__in=[row.pk for row in there[model]]))
        for model in (UploadItem, ReceivedInstance)
    }
    if any(files_left.values()):
        erasure = _anew(entry)
        with transaction.atomic():
            plan = plans.of_files(*({row.pk for row in rows} for rows in files_left.values()))
            _erase(erasure, plan)
            erasure.save()
        carry_out(erasure, again=True)
    return True


def _anew(entry: Registered, **what: Any) -> Erasure:
    now = timezone.now()
    return Erasure.objects.create(
        reason=entry.reason,
        reference=entry.reference,
        state=ErasureState.CONFIRMED,
        requested_at=now,
        decided_at=now,
        **what,
    )
