"""Every error is a Problem Details object (RFC 9457) that says what to do."""

import uuid
from typing import Any

import pytest
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from tests.api.conftest import Call
from tests.conftest import PASSWORD
from tests.factories import make_job, make_study
from webportal.accounts import throttle
from webportal.accounts.models import User
from webportal.accounts.services import create_token
from webportal.api import studies
from webportal.inference.models import JobState

pytestmark = pytest.mark.django_db


def problem(response: Any, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["type"] == f"urn:chestline:problem:{code}"
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    return body


@pytest.mark.parametrize("method", ["get", "post", "delete"])
def test_an_unknown_url(method: str) -> None:
    problem(getattr(APIClient(), method)("/api/v1/nothing"), 404, "not-found")


def test_an_unknown_object(radiologist: User, as_user: Call) -> None:
    client = as_user(radiologist)
    problem(client.get(f"/api/v1/studies/{uuid.uuid4()}"), 404, "not-found")
    problem(client.get("/api/v1/studies/not-an-id"), 404, "not-found")


def test_a_missing_or_wrong_token_is_refused(radiologist: User) -> None:
    response = APIClient().get("/api/v1/studies")
    problem(response, 401, "not-authenticated")
    assert response["WWW-Authenticate"] == "Token"
    for token in ("x", "f" * 64, "ü", "a b"):
        header = {"Authorization": f"Token {token}"}
        problem(APIClient().get("/api/v1/studies", headers=header), 401, "authentication-failed")


@pytest.mark.parametrize(("opening", "closing"), ["[]", ('{"a":', "}")])
def test_json_nested_too_deeply(opening: str, closing: str, uploader: User, as_user: Call) -> None:
    body = opening * 100_000 + "1" + closing * 100_000
    client = as_user(uploader)
    for path in ("batches", "tokens"):
        response = client.post(f"/api/v1/{path}", body, content_type="application/json")
        assert "nested" in problem(response, 400, "parse-error")["detail"]


def test_a_missing_role(auditor: User, as_user: Call) -> None:
    problem(as_user(auditor).get("/api/v1/studies"), 403, "permission-denied")


def test_a_one_time_password_must_be_changed_first(radiologist: User) -> None:
    User.objects.update(must_change_password=True)
    header = {"Authorization": f"Token {create_token(radiologist, 'a script')}"}
    response = APIClient().get("/api/v1/studies", headers=header)
    assert (
        "choose your own password" in problem(response, 403, "password-change-required")["detail"]
    )
    credentials = {"username": radiologist.username, "password": PASSWORD, "name": "a script"}
    response = APIClient().post("/api/v1/tokens", credentials)
    problem(response, 403, "password-change-required")
    # A session is refused in the same words, not sent to a page.
    client = APIClient()
    client.force_login(radiologist)
    problem(client.get("/api/v1/studies"), 403, "password-change-required")


def test_an_unsupported_method(radiologist: User, as_user: Call) -> None:
    response = as_user(radiologist).delete("/api/v1/studies")
    problem(response, 405, "method-not-allowed")
    assert "GET" in response["Allow"]
    problem(as_user(radiologist).options("/api/v1/studies"), 405, "method-not-allowed")


def test_an_unsupported_media_type(uploader: User, as_user: Call) -> None:
    response = as_user(uploader).post("/api/v1/batches", "<batch/>", content_type="text/xml")
    problem(response, 415, "unsupported-media-type")


def test_invalid_json(uploader: User, as_user: Call) -> None:
    client = as_user(uploader)
    response = client.post("/api/v1/batches", "{", content_type="application/json")
    problem(response, 400, "parse-error")


def test_errors_point_to_the_value(uploader: User, as_user: Call) -> None:
    body = {
        "priority": "soon",
        "identity_mode": "form",
        "case_record": {"patient_id": "P", "symptoms": ["cough", "hiccups"]},
    }
    response = as_user(uploader).post("/api/v1/batches", body)
    errors = problem(response, 400, "invalid")["errors"]
    assert [(error["pointer"], error["code"]) for error in errors] == [
        ("#/priority", "invalid_choice"),
        ("#/case_record/symptoms/1", "invalid_choice"),
    ]
    assert "soon" in errors[0]["detail"]


def test_errors_of_form_validation_point_to_the_value_too(uploader: User, as_user: Call) -> None:
    body = {"identity_mode": "form", "case_record": {"patient_id": "A^B", "sex": "F"}}
    response = as_user(uploader).post("/api/v1/batches", body)
    (error,) = problem(response, 400, "invalid")["errors"]
    assert error["pointer"] == "#/case_record/patient_id"
    assert "Leave out the characters" in error["detail"]


def test_a_filter_with_an_unknown_value(radiologist: User, as_user: Call) -> None:
    response = as_user(radiologist).get("/api/v1/studies", {"priority": "soon"})
    (error,) = problem(response, 400, "invalid")["errors"]
    assert error["pointer"] == "#/priority"


def test_a_page_beyond_the_end(radiologist: User, as_user: Call) -> None:
    problem(as_user(radiologist).get("/api/v1/studies?page=7"), 404, "not-found")


def test_a_conflict_with_the_state_of_a_job(it_person: User, as_user: Call) -> None:
    job = make_job(state=JobState.DONE)
    response = as_user(it_person).post(f"/api/v1/jobs/{job.pk}/cancel")
    assert "nothing to cancel" in problem(response, 409, "conflict")["detail"]


def test_too_many_wrong_passwords(radiologist: User) -> None:
    credentials = {"username": radiologist.username, "password": "wrong", "name": "a script"}
    for _ in range(throttle.ONE_PERSON.free):
        response = APIClient().post("/api/v1/tokens", credentials)
        problem(response, 401, "authentication-failed")
    response = APIClient().post("/api/v1/tokens", credentials)
    assert "Wait 1 second" in problem(response, 429, "throttled")["detail"]
    assert response["Retry-After"] == "1"
    right = credentials | {"password": PASSWORD, "name": "a script"}
    problem(APIClient().post("/api/v1/tokens", right), 429, "throttled")


def test_an_internal_error(
    radiologist: User, as_user: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object) -> None:
        raise RuntimeError("Secret^Sophie")

    monkeypatch.setattr(studies, "progress_of", broken)
    client = as_user(radiologist)
    client.raise_request_exception = False
    response = client.get(f"/api/v1/studies/{make_study().pk}")
    problem(response, 500, "internal-server-error")
    assert "Sophie" not in response.content.decode()


def test_an_oversized_request(uploader: User, as_user: Call, settings: Settings) -> None:
    settings.UPLOAD_MAX_BYTES = settings.UPLOAD_MAX_ARCHIVE_BYTES = 1000
    response = as_user(uploader).post(
        f"/api/v1/batches/{uuid.uuid4()}/files",
        "",
        content_type="multipart/form-data",
        headers={"Content-Length": str(3 * 1024**2)},
    )
    problem(response, 413, "too-large")


def test_pages_still_get_html_errors(radiologist: User) -> None:
    client = APIClient()
    client.force_login(radiologist)
    response = client.get("/nothing")
    assert response.status_code == 404
    assert "There is nothing at this address" in response.content.decode()
