"""Reading over REST: drafts are one's own, and the password signs, not the token."""

import pytest
from rest_framework.test import APIClient

from tests.api.conftest import Call
from tests.conftest import PASSWORD
from tests.factories import make_prediction
from tests.helpers import audit_actions
from webportal.accounts.models import Role, User
from webportal.audit.models import Action
from webportal.inference.models import Prediction
from webportal.review.models import Read

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(radiologist: User, as_user: Call) -> APIClient:
    return as_user(radiologist)


@pytest.fixture
def prediction(db: None) -> Prediction:
    return make_prediction()


@pytest.fixture
def study(prediction: Prediction) -> str:
    return f"/api/v1/studies/{prediction.radiograph.study_id}"


def entry(prediction: Prediction, **values: object) -> dict[str, object]:
    given = {"prediction": str(prediction.pk), "decision": "overrule", "pneumonia": "none"}
    return given | {"other_findings": ["effusion"], "comment": "Overlapping rib."} | values


def test_draft_sign_and_addendum(
    client: APIClient, prediction: Prediction, study: str, radiologist: User
) -> None:
    assert client.get(f"{study}/draft").status_code == 404
    assert client.put(f"{study}/draft", entry(prediction, decision="")).status_code == 200
    assert client.get(f"{study}/draft").json()["comment"] == "Overlapping rib."

    response = client.post(f"{study}/sign", entry(prediction, password=PASSWORD))
    assert response.status_code == 200
    read = response.json()
    assert (read["state"], read["decision"], read["reader_name"]) == (
        "signed",
        "overrule",
        str(radiologist),
    )
    assert client.get(study).json()["reading_state"] == "signed"
    # The same signature again, after a lost answer, is the same read.
    again = client.post(f"{study}/sign", entry(prediction, password=PASSWORD))
    assert again.json()["id"] == read["id"]

    addendum = {"reason": "Second look", "text": "There is one.", "password": PASSWORD}
    response = client.post(f"/api/v1/reads/{read['id']}/addenda", addendum)
    assert response.status_code == 201
    (shown,) = client.get(f"/api/v1/reads/{read['id']}").json()["addenda"]
    assert shown["text"] == "There is one."
    assert audit_actions(study_id=prediction.radiograph.study_id) == [
        Action.READ_SAVED,
        Action.READ_SAVED,
        Action.READ_SIGNED,
        Action.STUDY_VIEWED,
        Action.ADDENDUM_SIGNED,
    ]


def test_a_wrong_password_signs_nothing_and_keeps_the_draft(
    client: APIClient, prediction: Prediction, study: str
) -> None:
    response = client.post(f"{study}/sign", entry(prediction, password="wrong"))
    assert response.status_code == 403
    assert response.json()["type"] == "urn:chestline:problem:wrong-password"
    assert Read.objects.get().state == "draft"
    assert Action.SIGNATURE_FAILED in audit_actions()


def test_a_result_that_changed_must_be_seen_first(
    client: APIClient, prediction: Prediction, study: str
) -> None:
    make_prediction(prediction.radiograph)
    response = client.post(f"{study}/sign", entry(prediction, password=PASSWORD))
    assert response.status_code == 409
    assert response.json()["type"] == "urn:chestline:problem:result-changed"


def test_a_read_that_does_not_fit_is_refused(
    client: APIClient, prediction: Prediction, study: str
) -> None:
    unfitting = entry(prediction, decision="confirm", password=PASSWORD)
    response = client.post(f"{study}/sign", unfitting)
    assert response.status_code == 400
    assert response.json()["type"] == "urn:chestline:problem:not-fitting"


def test_nobody_sees_the_draft_of_another(
    client: APIClient, prediction: Prediction, study: str, as_user: Call
) -> None:
    client.put(f"{study}/draft", entry(prediction))
    other = as_user(User.objects.create_user("other", PASSWORD, [Role.RADIOLOGIST]))
    assert other.get(f"{study}/draft").status_code == 404
    assert other.get("/api/v1/reads").json()["count"] == 0
    assert client.get("/api/v1/reads").json()["count"] == 1
    assert client.delete(f"{study}/draft").status_code == 204
    assert not Read.objects.exists()


def test_marks_are_taken_returned_and_refused_where_they_are_wrong(
    client: APIClient, prediction: Prediction, study: str
) -> None:
    radiograph = prediction.radiograph
    point = {"radiograph": str(radiograph.pk), "finding": "effusion", "column": 3, "row": 4}
    kept = client.put(f"{study}/draft", entry(prediction, marks=[point])).json()
    assert kept["marks"] == [point | {"width": 0, "height": 0}]
    signed = client.post(f"{study}/sign", entry(prediction, marks=[point], password=PASSWORD))
    assert signed.json()["marks"] == kept["marks"]
    assert client.get(f"/api/v1/reads/{signed.json()['id']}").json()["marks"] == kept["marks"]

    for wrong, code in (
        ({"column": radiograph.columns}, "wrong-mark"),
        ({"radiograph": str(make_prediction().radiograph_id)}, "wrong-mark"),
        ({"row": -1}, "invalid"),
        ({"finding": "measles"}, "invalid"),
    ):
        answer = client.put(f"{study}/draft", entry(prediction, marks=[point | wrong]))
        assert answer.status_code == 400
        assert answer.json()["type"] == f"urn:chestline:problem:{code}"
    answer = client.put(f"{study}/draft", entry(prediction, marks=[point] * 51))
    assert answer.status_code == 400
    other = make_prediction()
    point["radiograph"] = str(other.radiograph_id)
    not_put_down = entry(other, marks=[point], other_findings=[], password=PASSWORD)
    answer = client.post(f"/api/v1/studies/{other.radiograph.study_id}/sign", not_put_down)
    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:chestline:problem:not-fitting"
