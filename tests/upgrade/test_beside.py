"""Models and statements of the previous release and of this one work on one database."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps as present_apps
from django.db import connection, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import StateApps
from django.utils import timezone

from tests.factories import make_radiograph
from tests.upgrade import previous
from webportal.accounts.models import User
from webportal.inference import claims
from webportal.inference.models import JobState
from webportal.inference.queue import enqueue


@pytest.fixture(scope="module")
def before() -> StateApps:
    """The models of the previous release."""
    loader = MigrationLoader(None, replace_migrations=False)
    apps = loader.project_state(previous.MIGRATIONS).apps
    assert isinstance(apps, StateApps)
    return apps


@pytest.mark.django_db
def test_its_programs_find_every_table_and_column(before: StateApps) -> None:
    for each in before.get_models():
        if present_apps.is_installed(f"webportal.{each._meta.app_label}"):
            # Names every column.
            str(list(each._base_manager.all()[:1]))


@pytest.mark.django_db
def test_its_programs_can_leave_out_every_new_column(before: StateApps) -> None:
    query = """
        SELECT table_name, column_name FROM information_schema.columns
        WHERE table_schema = 'public' AND is_nullable = 'NO' AND column_default IS NULL
            AND is_identity = 'NO' AND is_generated = 'NEVER'
    """
    known: dict[str, set[str | None]] = {}
    for each in before.get_models(include_auto_created=True):
        columns = {field.column for field in each._meta.local_concrete_fields}
        known.setdefault(each._meta.db_table, set()).update(columns)
    with connection.cursor() as cursor:
        cursor.execute(query)
        needed = [row for row in cursor.fetchall() if row[0] in known]
    assert needed
    unknown = [(table, column) for table, column in needed if column not in known[table]]
    assert unknown == [], "Give the new column a db_default, or let it be null."


@pytest.mark.django_db
def test_a_job_that_its_portal_queues_is_claimed_here(before: StateApps, uploader: User) -> None:
    radiograph = make_radiograph()
    old_job: type[models.Model] = before.get_model("inference", "Job")
    queued = old_job._base_manager.create(
        id=uuid.uuid4(),
        radiograph_id=radiograph.pk,
        study_id=radiograph.study_id,
        priority=2,
        queued_at=timezone.now(),
        created_by_id=uploader.pk,
    )
    [claimed] = claims.claim("new@test", 8)
    assert (claimed.id, claimed.traceparent) == (queued.pk, "")


@pytest.mark.django_db
def test_a_job_that_is_queued_here_is_claimed_by_its_worker(uploader: User) -> None:
    job = enqueue(make_radiograph(), uploader)
    parameters: dict[str, Any] = {
        "worker": "old@test",
        "limit": 8,
        "busy": False,
        "lease": timedelta(seconds=60),
        "priorities": [0, 1, 2],
    }
    with connection.cursor() as cursor:
        cursor.execute(previous.CLAIM, parameters)
        [row] = cursor.fetchall()
    assert row[0] == job.pk
    job.refresh_from_db()
    assert (job.state, job.worker) == (JobState.RUNNING, "old@test")
