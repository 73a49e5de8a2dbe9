"""Uploads over REST get the same verdicts as on the pages."""

import io
import zipfile
from functools import cache
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from PIL import Image
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from tests.api.conftest import Call
from tests.factories import make_patient
from webportal.accounts.models import User
from webportal.demo.phantoms import draw_phantom
from webportal.intake.models import UploadItem
from webportal.records.models import Patient, Radiograph, Study

# At most so many, with those that begin and end transactions: they take most of the portal's time.
STATEMENTS = 17

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(uploader: User, as_user: Call) -> APIClient:
    return as_user(uploader)


@cache  # drawing it takes longer than the tests
def png(seed: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(draw_phantom(seed, (160, 136), opacity=False)).save(buffer, "PNG")
    return buffer.getvalue()


def make_batch(client: APIClient, **body: object) -> str:
    response = client.post("/api/v1/batches", body)
    assert response.status_code == 201, response.json()
    return f"/api/v1/batches/{response.json()['id']}"


def send(client: APIClient, batch: str, name: str, data: bytes, **form: object) -> Any:
    file = io.BytesIO(data)
    file.name = name
    return client.post(f"{batch}/files", form | {"file": file}, format="multipart")


def test_a_file_is_accepted_once_and_counted_in_the_batch(client: APIClient) -> None:
    batch = make_batch(client, name="Ward 5", priority="stat")
    for _ in range(2):
        (item,) = send(client, batch, "a.png", png(1), expected=2).json()["items"]
        assert item["verdict"] == "accepted"
    (refused,) = send(client, batch, "b.txt", b"no image").json()["items"]
    assert refused["verdict"] == "refused"
    assert refused["reason"]
    shown = client.get(batch).json()
    assert shown["priority"] == "stat"
    assert {key: value for key, value in shown["summary"].items() if value} == {
        "expected": 2,
        "received": 2,
        "accepted": 1,
        "refused": 1,
        "waiting": 1,
        "unidentified": 1,
    }
    listed = client.get(f"{batch}/files", {"verdict": "accepted"}).json()["results"]
    assert [found["study"] for found in listed] == [str(Study.objects.get().pk)]
    assert Radiograph.objects.count() == 1


def test_a_new_file_costs_few_statements(client: APIClient) -> None:
    batch = make_batch(client)
    send(client, batch, "a.png", png(1))
    with CaptureQueriesContext(connection) as queries:
        send(client, batch, "b.png", png(2))
    assert len(queries) <= STATEMENTS, "\n".join(each["sql"] for each in queries)


def test_a_zip_gives_a_verdict_for_each_file(client: APIClient) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.png", png(1))
        archive.writestr("b.txt", "no image")
    batch = make_batch(client)
    items = send(client, batch, "all.zip", buffer.getvalue()).json()["items"]
    assert [(item["file_name"], item["verdict"]) for item in items] == [
        ("all.zip/a.png", "accepted"),
        ("all.zip/b.txt", "refused"),
    ]


def test_a_sheet_assigns_the_patients(client: APIClient) -> None:
    sheet = "file,patient_id,family_name,priority\na.png,P-1,Phantom,urgent\n"
    batch = make_batch(client, identity_mode="sheet", sheet=sheet)
    (item,) = send(client, batch, "a.png", png(1), path="folder/a.png").json()["items"]
    assert (item["file_name"], item["verdict"]) == ("folder/a.png", "accepted")
    assert Patient.objects.get().patient_id == "P-1"
    (item,) = send(client, batch, "c.png", png(2)).json()["items"]
    assert item["reason_code"] == "not_in_sheet"


def test_an_invalid_sheet_creates_nothing_and_names_the_lines(client: APIClient) -> None:
    sheet = "file,patient_id,sex\na.png,P-1,X\n,P-2,F\n"
    response = client.post("/api/v1/batches", {"identity_mode": "sheet", "sheet": sheet})
    assert response.status_code == 400
    errors = response.json()["errors"]
    assert {error["pointer"].split("/")[1] for error in errors} == {"sheet"}
    assert errors[0]["detail"].startswith("Line 2: ")
    assert errors[1]["detail"].startswith("Line 3: ")
    assert client.get("/api/v1/batches").json()["count"] == 0


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"identity_mode": "sheet"}, "#/sheet"),
        ({"identity_mode": "form"}, "#/case_record/patient_id"),
    ],
)
def test_each_identity_mode_requires_its_data(
    client: APIClient, body: dict[str, str], pointer: str
) -> None:
    response = client.post("/api/v1/batches", body)
    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"] == pointer


def test_a_held_file_is_resolved(client: APIClient) -> None:
    patient = make_patient(patient_id="P-1", issuer="", name="Phantom^Berta")
    record = {"patient_id": "P-1", "family_name": "Phantom", "given_name": "Anna"}
    batch = make_batch(client, identity_mode="form", case_record=record)
    (item,) = send(client, batch, "a.png", png(1)).json()["items"]
    assert item["verdict"] == "held"

    held = f"/api/v1/held-files/{item['id']}"
    question = client.get(held).json()
    assert question["claimed"]["name"] == "Phantom^Anna"
    assert question["recorded"]["id"] == str(patient.pk)
    assert question["differences"] == ["name"]

    resolved = client.post(f"{held}/resolve", {"decision": "same"}).json()
    assert resolved["verdict"] == "accepted"
    assert Study.objects.get().patient == patient
    # It is no longer a held file, and nobody decides twice.
    assert client.post(f"{held}/resolve", {"decision": "discard"}).status_code == 404
    assert client.get("/api/v1/held-files").json()["count"] == 0


def test_a_full_disk_refuses_and_keeps_nothing(client: APIClient, settings: Settings) -> None:
    batch = make_batch(client)
    settings.UPLOAD_MIN_FREE_BYTES = 2**62
    response = send(client, batch, "a.png", png(1))
    assert response.status_code == 507
    assert "Nothing is lost" in response.json()["detail"]
    assert not UploadItem.objects.exists()


def test_a_request_without_a_file_says_so(client: APIClient) -> None:
    batch = make_batch(client)
    response = client.post(f"{batch}/files", {"path": "a.png"}, format="multipart")
    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"] == "#/file"


def named(name: str, data: bytes) -> io.BytesIO:
    file = io.BytesIO(data)
    file.name = name
    return file


def send_all(client: APIClient, batch: str, files: dict[str, bytes], **form: Any) -> Any:
    parts = [named(name, data) for name, data in files.items()]
    return client.post(f"{batch}/files", form | {"file": parts}, format="multipart")


def test_several_files_in_a_request_have_their_verdicts_in_order(client: APIClient) -> None:
    batch = make_batch(client)
    files = {"b.png": png(1), "a.txt": b"no image", "c.png": png(2)}
    expected = [("b.png", "accepted"), ("a.txt", "refused"), ("c.png", "accepted")]
    for _ in range(2):
        items = send_all(client, batch, files).json()["items"]
        assert [(item["file_name"], item["verdict"]) for item in items] == expected
    assert Radiograph.objects.count() == 2
    items = send_all(client, batch, {"d.png": png(3), "d2.png": png(4)}, path=["1/d", "2/d"])
    assert [item["file_name"] for item in items.json()["items"]] == ["1/d", "2/d"]


def test_several_files_in_a_request_cost_few_statements_more_than_one(client: APIClient) -> None:
    batch = make_batch(client)
    send(client, batch, "a.png", png(1))
    with CaptureQueriesContext(connection) as queries:
        send_all(client, batch, {f"{seed}.png": png(seed) for seed in range(2, 10)})
    assert len(queries) <= STATEMENTS + 6, "\n".join(each["sql"] for each in queries)


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        target.writestr("a.png", png(1))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("parts", "pointer", "words"),
    [
        ({"file": ["a.png"], "second": ["b.png"]}, "#/file", "part named “file”"),
        ({"file": ["a.png", "b.png"], "path": ["only"]}, "#/path", "a path for each file"),
        ({"file": ["a.png", "b.zip"]}, "#/file", "ZIP in a request of its own"),
        ({"file": [f"{n}.png" for n in range(51)]}, "#/file", "no more than 50"),
    ],
)
def test_files_of_a_request_that_could_be_overlooked_are_refused(
    parts: dict[str, list[str]], pointer: str, words: str, client: APIClient
) -> None:
    batch = make_batch(client)
    contents = {"b.zip": archive()}
    form = {
        part: values
        if part == "path"
        else [named(name, contents.get(name) or png(0)) for name in values]
        for part, values in parts.items()
    }
    response = client.post(f"{batch}/files", form, format="multipart")
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"
    (error,) = response.json()["errors"]
    assert error["pointer"] == pointer
    assert words in error["detail"]
    assert not UploadItem.objects.exists()


def test_an_empty_file_is_refused_with_a_verdict(client: APIClient) -> None:
    batch = make_batch(client)
    (item,) = send(client, batch, "a.png", b"").json()["items"]
    assert item["verdict"] == "refused"
