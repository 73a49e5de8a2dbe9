"""Unknown filters and values are refused instead of being ignored."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.factories import make_job, make_prediction, make_radiograph, make_study
from webportal.accounts.models import Role, User
from webportal.inference.models import JobState

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(radiologist: User, as_user: Callable[[User], APIClient]) -> APIClient:
    return as_user(radiologist)


def ids(client: APIClient, address: str) -> set[str]:
    return {study["id"] for study in client.get(f"/api/v1/studies{address}").json()["results"]}


def problem(client: APIClient, address: str) -> dict[str, Any]:
    response = client.get(f"/api/v1/{address}")
    assert response.status_code == 400, response.content
    assert response["Content-Type"] == "application/problem+json"
    (error,) = response.json()["errors"]
    return dict(error)


@pytest.mark.parametrize(
    ("address", "name", "code"),
    [
        ("studies?catgory=likely", "catgory", "unknown_filter"),
        ("studies?category=probable", "category", "invalid_choice"),
        ("studies?priority=0", "priority", "invalid_choice"),
        ("studies?created_after=yesterday", "created_after", "invalid"),
        ("studies?created_after=2026-01-01T00:00:00-17:19", "created_after", "invalid"),
        ("studies?created_before=0001-01-01T00:00:00%2B14:00", "created_before", "invalid"),
        ("studies?assigned_reader=me", "assigned_reader", "invalid"),
        ("studies?is_assigned=maybe", "is_assigned", "invalid_choice"),
        ("studies?ordering=patient__name", "ordering", "unknown_ordering"),
        ("studies/worklist?ordering=priority", "ordering", "unknown_filter"),
        ("studies/worklist?state=unread", "state", "unknown_filter"),
        ("patients?name=Phantom", "name", "unknown_filter"),
        ("patients?is_temporary=2", "is_temporary", "invalid_choice"),
        ("jobs?state=waiting", "state", "invalid_choice"),
        ("predictions?is_current=x", "is_current", "invalid_choice"),
    ],
)
def test_unknown_filters_are_refused(client: APIClient, address: str, name: str, code: str) -> None:
    make_study()
    error = problem(client, address)
    assert error["pointer"] == f"#/{name}"
    assert error["code"] == code


def test_the_error_lists_the_known_filters(client: APIClient) -> None:
    assert "reading_state" in problem(client, "studies?status=unread")["detail"]
    assert "created_at" in problem(client, "studies?ordering=name")["detail"]


def test_known_filters_are_applied(
    client: APIClient, radiologist: User, make_user: Callable[..., User]
) -> None:
    mine = make_study(assigned_reader=radiologist)
    waiting = make_job(make_radiograph(make_study())).radiograph.study
    likely = make_prediction().radiograph.study
    assert ids(client, f"?assigned_reader={radiologist.pk}") == {str(mine.pk)}
    assert ids(client, "?is_assigned=true") == {str(mine.pk)}
    assert ids(client, "?is_assigned=false") == {str(waiting.pk), str(likely.pk)}
    assert ids(client, "?analysis=queued") == {str(waiting.pk)}
    assert ids(client, "/worklist?category=likely&page=1&page_size=5") == {str(likely.pk)}
    assert ids(client, "?category=&ordering=-created_at,priority") == {
        str(study.pk) for study in (mine, waiting, likely)
    }
    study = client.get(f"/api/v1/studies/{mine.pk}").json()
    assert study["assigned_reader"] == str(radiologist.pk)


@pytest.mark.parametrize("role", [Role.UPLOADER])
def test_uploaders_are_refused_unknown_filters_too(
    role: Role, make_user: Callable[..., User], as_user: Callable[[User], APIClient]
) -> None:
    assert problem(as_user(make_user(role)), "studies?foo=1")["code"] == "unknown_filter"


def test_a_jobs_final_state_reveals_no_result_to_uploaders(
    uploader: User, it_person: User, as_user: Callable[[User], APIClient]
) -> None:
    judged = make_job(make_radiograph(make_study()), state=JobState.DONE)
    refused = make_job(
        make_radiograph(make_study()),
        state=JobState.REFUSED,
        reason_code="not_frontal",
        reason="This is not a frontal chest radiograph.",
    )
    client = as_user(uploader)

    def found(query: str, by: APIClient = client) -> set[str]:
        return {job["id"] for job in by.get(f"/api/v1/jobs?{query}").json()["results"]}

    both = {str(judged.pk), str(refused.pk)}
    assert found("state=done") == found("state=done&state=refused") == found("") == both
    assert found("state=refused") == found("state=queued") == set()
    for job in (judged, refused):
        told = client.get(f"/api/v1/jobs/{job.pk}").json()
        assert (told["state"], told["reason_code"], told["reason"]) == ("done", "", "")
        study = client.get(f"/api/v1/studies/{job.radiograph.study_id}").json()
        assert study["analysis"] == "done"
    # Those who look after the queue have to know.
    assert found("state=refused", as_user(it_person)) == {str(refused.pk)}
