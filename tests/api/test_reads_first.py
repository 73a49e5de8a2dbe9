"""Callers who read first get no result over REST before signing unless they request it."""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from tests.api.conftest import Call
from tests.factories import make_patient, make_prediction, make_radiograph, make_study
from webportal.accounts.models import User
from webportal.inference.models import Job, JobState, Prediction
from webportal.intake.batches import services
from webportal.intake.models import UploadItem, Verdict
from webportal.review.models import Read, ReadingPreference

pytestmark = pytest.mark.django_db

OPEN = "results=open"


@pytest.fixture
def reader(radiologist: User) -> User:
    ReadingPreference.objects.create(reader=radiologist, reads_first=True)
    return radiologist


@pytest.fixture
def client(reader: User, as_user: Call) -> APIClient:
    return as_user(reader)


@pytest.fixture
def prediction() -> Prediction:
    return make_prediction(category="likely")


def ask(client: APIClient, address: str, query: str = "") -> Any:
    response = client.get(f"/api/v1/{address}?{query}")
    assert response.status_code == 200, response.content
    return response.json()


def sign(reader: User, prediction: Prediction, **values: object) -> None:
    given = {"state": "signed", "decision": "confirm", "pneumonia": "definite"} | values
    study = prediction.radiograph.study
    Read.objects.create(
        study=study, reader=reader, prediction=prediction, signed_at=timezone.now(), **given
    )


def test_a_study_flags_a_withheld_result_and_returns_it_on_request(
    client: APIClient, prediction: Prediction, reader: User
) -> None:
    study = f"studies/{prediction.radiograph.study_id}"
    before = ask(client, study)
    assert (before["result"], before["result_withheld"]) == (None, True)
    (listed,) = ask(client, "studies")["results"]
    assert (listed["result"], listed["result_withheld"]) == (None, True)
    opened = ask(client, study, OPEN)
    assert (opened["result"]["category"], opened["result_withheld"]) == ("likely", False)
    found = client.post(
        f"/api/v1/studies/search?{OPEN}", {"text": prediction.radiograph.study.patient.patient_id}
    )
    assert found.json()["results"][0]["result"]["category"] == "likely"
    sign(reader, prediction)
    assert ask(client, study)["result"]["category"] == "likely"


def test_no_list_filters_or_sorts_closed_studies_by_result(
    client: APIClient, prediction: Prediction
) -> None:
    first = prediction.radiograph.study
    second = make_prediction(make_radiograph(make_study(patient=make_patient())), "unlikely")
    worse_last = [str(second.radiograph.study_id), str(first.pk)]
    received = timezone.now()
    for number, study in enumerate([second.radiograph.study, first]):
        study.created_at = received.replace(microsecond=number)
        study.save(update_fields=["created_at"])
    ids = [each["id"] for each in ask(client, "studies/worklist")["results"]]
    assert ids == worse_last
    ids = [each["id"] for each in ask(client, "studies/worklist", OPEN)["results"]]
    assert ids == worse_last[::-1]
    assert ask(client, "studies", "category=likely")["count"] == 0
    assert ask(client, "studies", f"category=likely&{OPEN}")["count"] == 1


def test_predictions_and_heat_maps_are_withheld(client: APIClient, prediction: Prediction) -> None:
    address = f"/api/v1/predictions/{prediction.pk}"
    assert ask(client, "predictions")["count"] == 0
    assert client.get(address).status_code == 404
    assert client.get(f"{address}/heatmap").status_code == 404
    assert ask(client, "predictions", OPEN)["count"] == 1
    assert client.get(f"{address}?{OPEN}").status_code == 200
    assert client.get(f"{address}/heatmap?{OPEN}").status_code == 200


def test_the_refusal_of_an_image_is_withheld_like_a_result(client: APIClient) -> None:
    refused = make_prediction(category="not_assessable")
    Job.objects.filter(radiograph=refused.radiograph).update(
        state=JobState.REFUSED,
        finished_at=timezone.now(),
        reason_code="x",
        reason_params={"text": "Not frontal."},
    )
    study = f"studies/{refused.radiograph.study_id}"
    assert ask(client, study)["analysis"] == "done"
    assert ask(client, "jobs")["count"] == 0
    assert ask(client, study, OPEN)["analysis"] == "refused"
    assert ask(client, "jobs", OPEN)["count"] == 1


def test_results_of_a_batch_are_withheld(
    client: APIClient, prediction: Prediction, reader: User
) -> None:
    batch = services.create_batch(reader)
    UploadItem.objects.create(
        batch=batch,
        file_name="a.png",
        sha256=prediction.radiograph.original_sha256,
        size=1,
        verdict=Verdict.ACCEPTED,
        radiograph=prediction.radiograph,
    )
    (row,) = ask(client, f"batches/{batch.pk}/results")["results"]
    assert (row["category"], row["probability"], row["result_withheld"]) == ("", None, True)
    (row,) = ask(client, f"batches/{batch.pk}/results", OPEN)["results"]
    assert (row["category"], row["result_withheld"]) == ("likely", False)
    sheet = f"/api/v1/batches/{batch.pk}/results.csv"
    assert "likely" not in client.get(sheet).content.decode()
    assert "likely" in client.get(f"{sheet}?{OPEN}").content.decode()


def test_another_readers_read_does_not_reveal_a_closed_result(
    client: APIClient, prediction: Prediction, make_user: Callable[..., User]
) -> None:
    sign(make_user("radiologist", username="other"), prediction)
    (read,) = ask(client, "reads")["results"]
    assert (read["pneumonia"], read["decision"], read["prediction"]) == ("definite", "", None)
    (read,) = ask(client, "reads", OPEN)["results"]
    assert (read["decision"], read["prediction"]) == ("confirm", str(prediction.pk))


def test_only_operations_that_show_results_accept_the_parameter(client: APIClient) -> None:
    assert client.get(f"/api/v1/patients?{OPEN}").status_code == 400
    assert client.get("/api/v1/studies?results=all").status_code == 400
