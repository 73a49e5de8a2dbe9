"""What was queued for priors before they were exempt from analysis is removed by a migration."""

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from tests.factories import make_radiograph, make_uploader
from webportal.inference.claims import claim
from webportal.inference.models import Job
from webportal.inference.queue import enqueue
from webportal.intake.pipeline.store import bring_to_worklist
from webportal.records.choices import ReadingState
from webportal.records.models import Study

BEFORE = ("inference", "0013_job_traceparent")


@pytest.mark.django_db(transaction=True)
def test_a_job_of_a_prior_is_removed_until_the_study_is_put_on_the_worklist() -> None:
    prior, other = make_radiograph(), make_radiograph()
    by = make_uploader()
    enqueue(prior, by)
    kept = enqueue(other, by)
    Study.objects.filter(pk=prior.study_id).update(reading_state=ReadingState.PRIOR)
    MigrationExecutor(connection).migrate([BEFORE])
    call_command("migrate", "inference", verbosity=0)
    assert list(Job.objects.all()) == [kept]
    bring_to_worklist(prior.study, by)
    assert {job.radiograph_id for job in claim("worker", 9)} == {prior.pk, other.pk}
