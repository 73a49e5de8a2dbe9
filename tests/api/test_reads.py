"""Reading over REST: drafts are personal, and the password signs, not the token."""

import pytest
from rest_framework.test import APIClient

from tests.api.conftest import Call
from tests.conftest import PASSWORD
from tests.factories import make_prediction
from tests.helpers import audit_actions
from webportal.accounts.models import Role, User
from webportal.audit.models import Action
from webportal.inference.models import Prediction
from webportal.records.services import change_patient
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
    """What is put down; to sign it a program gives the identity, too."""
    given = {"prediction": str(prediction.pk), "decision": "overrule", "pneumonia": "none"}
    return given | {"other_findings": ["effusion"], "comment": "Overlapping rib."} | values


def signature(client: APIClient, prediction: Prediction, **values: object) -> dict[str, object]:
    """A signature by a program that has displayed the image and says under whose name."""
    study = prediction.radiograph.study_id
    assert client.post(f"/api/v1/radiographs/{prediction.radiograph_id}/viewed").status_code == 204
    identity = client.get(f"/api/v1/studies/{study}").json()["identity"]
    return entry(prediction, identity=identity, **{"password": PASSWORD} | values)


def test_draft_sign_and_addendum(
    client: APIClient, prediction: Prediction, study: str, radiologist: User
) -> None:
    assert client.get(f"{study}/draft").status_code == 404
    assert client.put(f"{study}/draft", entry(prediction, decision="")).status_code == 200
    assert client.get(f"{study}/draft").json()["comment"] == "Overlapping rib."

    given = signature(client, prediction)
    response = client.post(f"{study}/sign", given)
    assert response.status_code == 200
    read = response.json()
    assert (read["state"], read["decision"], read["reader_name"]) == (
        "signed",
        "overrule",
        str(radiologist),
    )
    codes = {each["term"]: each["snomed_ct"] for each in read["codes"]}
    assert codes == {"pneumonia": "233604007", "none": "2667000", "effusion": "60046008"}
    assert client.get(study).json()["reading_state"] == "signed"
    # The same signature again, after a lost answer, is the same read.
    again = client.post(f"{study}/sign", given)
    assert again.json()["id"] == read["id"]

    addendum = {"reason": "Second look", "text": "There is one.", "password": PASSWORD}
    addendum["identity"] = str(given["identity"])
    response = client.post(f"/api/v1/reads/{read['id']}/addenda", addendum)
    assert response.status_code == 201
    (shown,) = client.get(f"/api/v1/reads/{read['id']}").json()["addenda"]
    assert shown["text"] == "There is one."
    assert audit_actions(study_id=prediction.radiograph.study_id) == [
        Action.READ_SAVED,
        Action.IMAGE_VIEWED,
        Action.STUDY_VIEWED,
        Action.READ_SAVED,
        Action.READ_SIGNED,
        Action.STUDY_VIEWED,
        Action.ADDENDUM_SIGNED,
    ]


def test_a_wrong_password_signs_nothing_and_keeps_the_draft(
    client: APIClient, prediction: Prediction, study: str
) -> None:
    response = client.post(f"{study}/sign", signature(client, prediction, password="wrong"))
    assert response.status_code == 403
    assert response.json()["type"] == "urn:chestline:problem:wrong-password"
    assert Read.objects.get().state == "draft"
    assert Action.SIGNATURE_FAILED in audit_actions()


def test_a_changed_result_must_be_seen_before_signing(
    client: APIClient, prediction: Prediction, study: str
) -> None:
    make_prediction(prediction.radiograph)
    response = client.post(f"{study}/sign", signature(client, prediction))
    assert response.status_code == 409
    assert response.json()["type"] == "urn:chestline:problem:result-changed"


def test_an_inconsistent_read_is_refused(
    client: APIClient, prediction: Prediction, study: str
) -> None:
    unfitting = signature(client, prediction, decision="confirm")
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


def test_marks_are_saved_and_returned_and_invalid_ones_refused(
    client: APIClient, prediction: Prediction, study: str
) -> None:
    radiograph = prediction.radiograph
    point = {"radiograph": str(radiograph.pk), "finding": "effusion", "column": 3, "row": 4}
    kept = client.put(f"{study}/draft", entry(prediction, marks=[point])).json()
    assert kept["marks"] == [point | {"width": 0, "height": 0}]
    signed = client.post(f"{study}/sign", signature(client, prediction, marks=[point]))
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
    not_put_down = signature(client, other, marks=[point], other_findings=[])
    answer = client.post(f"/api/v1/studies/{other.radiograph.study_id}/sign", not_put_down)
    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:chestline:problem:not-fitting"


def test_fetching_an_image_is_not_viewing_it(
    client: APIClient, prediction: Prediction, study: str
) -> None:
    image = f"/api/v1/radiographs/{prediction.radiograph_id}"
    identity = client.get(study).json()["identity"]
    given = entry(prediction, identity=identity, password=PASSWORD)
    for kind in ("image", "dicom", "original"):
        assert client.get(f"{image}/{kind}").status_code == 200
    refused = client.post(f"{study}/sign", given)
    assert refused.status_code == 409
    assert refused.json()["type"] == "urn:chestline:problem:images-not-viewed"
    assert "image 1 of 1" in refused.json()["detail"]
    assert client.post(f"{image}/viewed").status_code == 204
    assert client.post(f"{study}/sign", given).status_code == 200


def test_an_uploader_cannot_report_an_image_as_viewed(
    prediction: Prediction, uploader: User, as_user: Call
) -> None:
    answer = as_user(uploader).post(f"/api/v1/radiographs/{prediction.radiograph_id}/viewed")
    assert answer.status_code == 403


def test_an_image_that_cannot_be_shown_needs_not_interpretable_and_a_reason(
    client: APIClient, prediction: Prediction, study: str
) -> None:
    identity = client.get(study).json()["identity"]
    given = entry(prediction, decision="not_interpretable", pneumonia="", other_findings=[])
    given |= {"identity": identity, "password": PASSWORD}
    refused = client.post(f"{study}/sign", given | {"comment": " "})
    assert refused.status_code == 400
    assert refused.json()["type"] == "urn:chestline:problem:reason-missing"
    assert client.post(f"{study}/sign", given | {"comment": "File broken."}).status_code == 200


def test_a_signature_states_the_identity_seen(
    client: APIClient, prediction: Prediction, study: str, radiologist: User
) -> None:
    given = signature(client, prediction)
    without = {name: value for name, value in given.items() if name != "identity"}
    refused = client.post(f"{study}/sign", without)
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["pointer"] == "#/identity"
    change_patient(prediction.radiograph.study.patient, {"name": "Other^Person"}, radiologist)
    refused = client.post(f"{study}/sign", given)
    assert refused.status_code == 409
    assert refused.json()["type"] == "urn:chestline:problem:identity-changed"
    given["identity"] = client.get(study).json()["identity"]
    assert client.post(f"{study}/sign", given).status_code == 200
    assert Read.objects.get().identity["name"] == "Other^Person"


def test_an_addendum_states_the_identity_too(
    client: APIClient, prediction: Prediction, study: str
) -> None:
    given = signature(client, prediction)
    read = client.post(f"{study}/sign", given).json()["id"]
    addendum = {"reason": "Second look", "text": "There is one.", "password": PASSWORD}
    address = f"/api/v1/reads/{read}/addenda"
    assert client.post(address, addendum).status_code == 400
    stale = client.post(address, addendum | {"identity": "0" * 64})
    assert stale.status_code == 409
    assert stale.json()["type"] == "urn:chestline:problem:identity-changed"
    assert client.post(address, addendum | {"identity": given["identity"]}).status_code == 201


def test_measurements_are_returned_with_the_portals_value(
    client: APIClient, prediction: Prediction, study: str
) -> None:
    drawn = {
        "radiograph": str(prediction.radiograph_id),
        "kind": "length",
        "points": [[10, 10], [13.0, 14.0]],
    }
    sent = entry(prediction, measurements=[drawn | {"value": 99.0}])
    response = client.put(f"{study}/draft", sent)
    assert response.status_code == 200
    [kept] = response.json()["measurements"]
    assert kept == drawn | {"value": 5.0, "unit": "px", "at_detector": False}
    beyond = entry(prediction, measurements=[drawn | {"points": [[0, 0], [5000, 5000]]}])
    refused = client.put(f"{study}/draft", beyond)
    assert refused.status_code == 400
    assert refused.json()["type"] == "urn:chestline:problem:wrong-measurement"
