"""A list takes the same number of queries whatever its length."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from tests.conftest import PASSWORD
from tests.factories import make_job, make_prediction, make_study
from tests.reading import add_addendum, sign
from webportal.accounts.models import Role, User
from webportal.inference.models import JobState, Worker
from webportal.intake.batches import services
from webportal.review.reads.services import Entry, save_draft

LISTS = [
    "patients",
    "studies",
    "studies/worklist",
    "radiographs",
    "jobs",
    "predictions",
    "reads",
    "batches",
    "workers",
    "model-versions",
    "audit-entries",
]


@pytest.fixture
def everybody(db: None) -> User:
    return User.objects.create_user("everybody", PASSWORD, list(Role.values))


def fill(user: User) -> None:
    """Make two of everything."""
    for number in range(2):
        make_job(state=JobState.QUARANTINED)
        prediction = make_prediction()
        entry = Entry(prediction.pk, "confirm", "definite")
        read = sign(prediction.radiograph.study, user, entry, PASSWORD)
        add_addendum(read, user, "Again", "Looked at again.", PASSWORD)
        save_draft(make_study(), user, Entry(None))
        services.create_batch(user)
        now = timezone.now()
        Worker.objects.create(name=f"w{now}{number}", started_at=now, last_seen_at=now)


@pytest.mark.parametrize("address", LISTS)
def test_a_longer_list_takes_no_more_queries(address: str, everybody: User) -> None:
    client = APIClient()
    client.force_authenticate(everybody)
    fill(everybody)
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            assert len(client.get(f"/api/v1/{address}").json()["results"]) >= 1
        counts.append(len(queries))
        fill(everybody)
    assert counts[0] == counts[1]
