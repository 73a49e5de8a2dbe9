"""Opening an upload batch."""

from django.db import transaction

from webportal.accounts.departments import choose
from webportal.accounts.models import Department, User
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.intake.cases.case_record import CaseRecord
from webportal.intake.models import IdentityMode, UploadBatch
from webportal.records.choices import Priority


@transaction.atomic
def create_batch(
    by: User,
    *,
    name: str = "",
    priority: int = Priority.ROUTINE,
    identity_mode: str = IdentityMode.TEMPORARY,
    department: Department | None = None,
    records: dict[str, CaseRecord] | None = None,
    is_prior: bool = False,
) -> UploadBatch:
    """Open a batch. `records` holds one for `FORM_KEY` (a form), or one per file (a sheet).

    Its new studies belong to `department`, by default the user's only one. Raises DepartmentError
    if that is not one of theirs, or if none is given and they have none or several.
    """
    batch = UploadBatch.objects.create(
        created_by=by,
        department=choose(department, by),
        name=name,
        priority=priority,
        is_prior=is_prior,
        identity_mode=identity_mode,
        case_records={key: record.as_json() for key, record in (records or {}).items()},
    )
    append(Event(Action.BATCH_CREATED, "batch", batch.pk), by)
    return batch


def announce(batch: UploadBatch, files: int) -> None:
    """Record the total number of files that the sender will send for the batch."""
    UploadBatch.objects.filter(pk=batch.pk, expected_files__lt=files).update(expected_files=files)
