"""All jobs that failed for a reason are changed at once, each with its entry in the trail."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Count

from tests.factories import make_job, make_radiograph
from tests.helpers import audit_actions
from webportal.accounts.models import User
from webportal.audit.models import Action
from webportal.inference.bulk import BulkChange, ChangedJobs, apply
from webportal.inference.models import Job, JobState

pytestmark = pytest.mark.django_db


def quarantined(reason: str) -> Job:
    return make_job(state=JobState.QUARANTINED, reason_code=reason)


def states() -> dict[str, int]:
    rows = Job.objects.order_by().values("state").annotate(count=Count("pk"))
    return {row["state"]: row["count"] for row in rows}


def test_what_is_in_quarantine_for_a_reason_is_released(it_person: User) -> None:
    for _ in range(3):
        quarantined("worker_lost")
    other = quarantined("unreadable")
    assert apply(BulkChange.RELEASE, "worker_lost", it_person) == ChangedJobs(3, 0)
    assert states() == {JobState.QUARANTINED: 4, JobState.QUEUED: 3}
    assert not Job.objects.filter(radiograph=other.radiograph, state=JobState.QUEUED).exists()
    released = audit_actions(action=Action.JOB_RELEASED, actor_id=it_person.pk)
    assert len(released) == 3
    assert apply(BulkChange.RELEASE, "worker_lost", it_person) == ChangedJobs(0, 0)


def test_a_request_changes_only_so_many_and_says_how_many_are_left(it_person: User) -> None:
    for _ in range(3):
        quarantined("worker_lost")
    assert apply(BulkChange.GIVE_UP, "worker_lost", it_person, most=2) == ChangedJobs(2, 1)
    assert states() == {JobState.CANCELLED: 2, JobState.QUARANTINED: 1}


def test_only_what_is_queued_and_failed_before_is_cancelled(it_person: User) -> None:
    make_job(reason_code="worker_lost", attempt=1)
    make_job()
    running = make_job(state=JobState.RUNNING, reason_code="worker_lost")
    assert apply(BulkChange.CANCEL, "worker_lost", it_person) == ChangedJobs(1, 0)
    assert states() == {JobState.CANCELLED: 1, JobState.QUEUED: 1, JobState.RUNNING: 1}
    running.refresh_from_db()
    assert running.state == JobState.RUNNING


def test_images_that_were_not_assessable_are_analysed_again_once(it_person: User) -> None:
    radiograph = make_radiograph()
    make_job(radiograph, JobState.REFUSED, reason_code="no_contrast")
    make_job(state=JobState.REFUSED, reason_code="not_chest")
    assert apply(BulkChange.RERUN, "no_contrast", it_person) == ChangedJobs(1, 0)
    assert Job.objects.get(state=JobState.QUEUED).radiograph_id == radiograph.pk
    assert apply(BulkChange.RERUN, "no_contrast", it_person) == ChangedJobs(0, 0)


def test_the_command_changes_all_in_the_name_of_an_account(
    it_person: User, radiologist: User
) -> None:
    for _ in range(3):
        quarantined("worker_lost")
    said = StringIO()
    for name in (radiologist.username, "nobody-there"):
        with pytest.raises(CommandError, match="is not an active account of hospital IT"):
            call_command("queue", "release", "worker_lost", "--by", name, stdout=said)
    call_command("queue", "release", "worker_lost", "--by", it_person.username, stdout=said)
    assert "3 jobs were changed." in said.getvalue()
    assert len(audit_actions(action=Action.JOB_RELEASED, actor_id=it_person.pk)) == 3
