"""Bulk actions over REST: the same service as the worklist's, and its refusals."""

import uuid
from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from tests.factories import make_radiograph, make_study
from tests.helpers import audit_actions
from webportal.accounts.models import Role, User
from webportal.inference.models import Job
from webportal.records.models import Study

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(make_user: Callable[..., User], as_user: Callable[[User], APIClient]) -> APIClient:
    return as_user(make_user(Role.RADIOLOGIST, Role.COORDINATOR, username="head"))


def test_changing_the_priority_of_many_studies(client: APIClient) -> None:
    studies = [make_study(), make_study(priority=0)]
    gone = str(uuid.uuid4())
    body = {"studies": [*(str(study.pk) for study in studies), gone], "priority": "stat"}
    answer = client.post("/api/v1/studies/bulk/priority", body).json()
    assert answer["changed"] == [str(studies[0].pk)]
    assert {tuple(left["studies"]) for left in answer["unchanged"]} == {
        (str(studies[1].pk),),
        (gone,),
    }
    assert set(Study.objects.values_list("priority", flat=True)) == {0}
    assert audit_actions(action="study.changed") == ["study.changed"]


def test_assign_and_rerun(client: APIClient) -> None:
    study = make_radiograph().study
    reader = User.objects.get(username="head")
    body = {"studies": [str(study.pk)], "reader": str(reader.pk)}
    assert client.post("/api/v1/studies/bulk/assign", body).json()["changed"] == [str(study.pk)]
    study.refresh_from_db()
    assert study.assigned_reader == reader
    client.post("/api/v1/studies/bulk/rerun", {"studies": [str(study.pk)]})
    assert Job.objects.get().state == "queued"


@pytest.mark.parametrize(
    ("action", "body"),
    [
        ("priority", {"studies": [], "priority": "stat"}),
        ("priority", {"studies": ["x"], "priority": "stat"}),
        ("priority", {"studies": [str(uuid.UUID(int=n)) for n in range(501)], "priority": "stat"}),
        ("priority", {"studies": [str(uuid.UUID(int=1))], "priority": "now"}),
        ("assign", {"studies": [str(uuid.UUID(int=1))]}),
        ("assign", {"studies": [str(uuid.UUID(int=1))], "reader": str(uuid.UUID(int=2))}),
    ],
)
def test_an_impossible_action_is_a_problem(client: APIClient, action: str, body: object) -> None:
    response = client.post(f"/api/v1/studies/bulk/{action}", body)
    assert response.status_code == 400
    assert response.json()["errors"]


def test_a_radiologist_who_is_not_a_coordinator_changes_no_priority(
    radiologist: User, as_user: Callable[[User], APIClient]
) -> None:
    study = make_study()
    body = {"studies": [str(study.pk)], "priority": "stat"}
    assert as_user(radiologist).post("/api/v1/studies/bulk/priority", body).status_code == 403
    study.refresh_from_db()
    assert study.priority == 2
