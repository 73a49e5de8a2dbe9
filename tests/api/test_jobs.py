"""Jobs, workers and model versions over REST, for hospital IT."""

from pathlib import Path

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from tests.api.conftest import Call
from tests.factories import (
    make_job,
    make_model_version,
    make_package,
    make_patient,
    make_radiograph,
    make_study,
)
from tests.helpers import audit_actions
from webportal.accounts.models import User
from webportal.audit.models import Action
from webportal.inference import registry
from webportal.inference.models import Job, JobState, ModelVersion, Worker

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(it_person: User, as_user: Call) -> APIClient:
    return as_user(it_person)


def test_jobs_are_found_by_state(client: APIClient) -> None:
    jobs = {state: make_job(state=state) for state in JobState}
    found = client.get("/api/v1/jobs?state=queued&state=running").json()["results"]
    assert {job["id"] for job in found} == {
        str(jobs[state].pk) for state in (JobState.QUEUED, JobState.RUNNING)
    }
    (waiting,) = client.get("/api/v1/jobs?awaiting_release=true").json()["results"]
    assert waiting["id"] == str(jobs[JobState.QUARANTINED].pk)
    assert waiting["reason"] == "The test says so."


def test_hospital_it_gets_no_patient_data(client: APIClient) -> None:
    patient = make_patient(name="Secret^Sophie", patient_id="SECRET-1")
    make_job(make_radiograph(make_study(patient=patient, accession_number="SECRET")))
    assert "secret" not in client.get("/api/v1/jobs").content.decode().lower()
    for closed in ("studies", "patients", "radiographs", "predictions", "reads", "batches"):
        assert client.get(f"/api/v1/{closed}").status_code == 403


def test_cancel_and_release(client: APIClient, it_person: User) -> None:
    queued, quarantined = make_job(), make_job(state=JobState.QUARANTINED)
    assert client.post(f"/api/v1/jobs/{queued.pk}/cancel").json()["state"] == "cancelled"
    released = client.post(f"/api/v1/jobs/{quarantined.pk}/release").json()
    assert Job.objects.get(pk=released["id"]).radiograph_id == quarantined.radiograph_id
    assert client.post(f"/api/v1/jobs/{quarantined.pk}/release").status_code == 409
    assert {Action.JOB_CANCELLED, Action.JOB_RELEASED} <= set(audit_actions(actor_id=it_person.pk))


def test_a_worker_is_drained_and_resumed(client: APIClient) -> None:
    now = timezone.now()
    Worker.objects.create(name="inference@host-1:0", started_at=now, last_seen_at=now)
    address = "/api/v1/workers/inference@host-1:0"
    assert client.get(address).json()["state"] == "idle"
    assert client.post(f"{address}/drain").json()["state"] == "draining"
    assert client.post(f"{address}/resume").json()["state"] == "idle"
    assert audit_actions() == [Action.WORKER_DRAINED, Action.WORKER_RESUMED]


def test_hospital_it_activates_a_model_and_radiologists_can_only_view(
    client: APIClient, radiologist: User, as_user: Call, tmp_path: Path
) -> None:
    old = make_model_version("1", is_active=True)
    new, _ = registry.register(make_package(tmp_path / "2"), None)
    address = f"/api/v1/model-versions/{new.pk}"
    reader = as_user(radiologist)
    assert reader.get(address).json()["version"] == "2"
    assert reader.post(f"{address}/activate").status_code == 403
    assert client.post(f"{address}/activate").json()["is_active"] is True
    assert not ModelVersion.objects.get(pk=old.pk).is_active
    # The package of the former one is nowhere.
    back = client.post(f"/api/v1/model-versions/{old.pk}/activate")
    assert (back.status_code, "put the folder back" in back.json()["detail"]) == (409, True)
