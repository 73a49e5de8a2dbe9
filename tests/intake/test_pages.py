"""The pages of uploads, and the upload endpoint."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django.fixtures import Settings

from tests import dicom_files as files
from tests.factories import make_worker
from tests.helpers import fields_left_out, make_read_only
from tests.intake.conftest import Send
from webportal.accounts.models import Role, User
from webportal.inference.pauses import pause
from webportal.intake.batches import services
from webportal.intake.models import IdentityMode, UploadBatch, UploadItem
from webportal.records.choices import Priority
from webportal.records.models import Patient, Radiograph

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(uploader: User, sign_in: Callable[[User], Client]) -> Client:
    return sign_in(uploader)


def post_file(
    browser: Client, batch: UploadBatch, data: bytes, path: str = "a.png", **headers: str
) -> Any:
    return browser.post(
        f"/uploads/{batch.pk}/files",
        data=data,
        content_type="application/octet-stream",
        headers={"X-File-Path": quote(path), "Content-Length": str(len(data)), **headers},
    )


def test_the_page_of_a_new_upload_has_every_field_of_its_forms(browser: Client) -> None:
    assert fields_left_out(browser.get("/uploads/new")) == set()


# ── Sending files ───────────────────────────────────────────────────────────────────────────────


def test_an_upload_returns_its_verdict(browser: Client, batch: UploadBatch) -> None:
    response = post_file(browser, batch, files.png(files.phantom()), "Röntgen/ä.png")
    assert response.status_code == 200
    (item,) = response.json()["items"]
    assert (item["file_name"], item["verdict"]) == ("Röntgen/ä.png", "accepted")
    assert Radiograph.objects.count() == 1


def post_files(browser: Client, batch: UploadBatch, listed: Any, *contents: bytes) -> Any:
    head = json.dumps(listed).encode()
    return post_file(
        browser, batch, b"".join([head, *contents]), **{"X-List-Bytes": str(len(head))}
    )


def test_several_files_in_a_body_have_their_verdicts_in_order(
    browser: Client, batch: UploadBatch
) -> None:
    contents = [files.png(files.phantom(seed=1)), b"nonsense", b"", files.dicom(files.phantom())]
    names = ["b/ä.png", "a.png", "empty", "c.dcm"]
    listed = [{"path": n, "size": len(d)} for n, d in zip(names, contents, strict=True)]
    items = post_files(browser, batch, listed, *contents).json()["items"]
    assert [(item["file_name"], item["verdict"]) for item in items] == [
        ("b/ä.png", "accepted"),
        ("a.png", "refused"),
        ("empty", "refused"),
        ("c.dcm", "accepted"),
    ]
    assert Radiograph.objects.count() == 2


@pytest.mark.parametrize(
    ("listed", "content"),
    [
        ([{"path": "a.png", "size": 3}], b"ab"),
        ([{"path": "a.png", "size": 3}], b"abcd"),
        ([{"path": "a.png", "size": -1}, {"path": "b.png", "size": 3}], b"ab"),
        ([{"path": "a.png", "size": "2"}], b"ab"),
        ([{"path": "a.png", "size": 10**30}], b"ab"),
        ([{"path": None, "size": 2}], b"ab"),
        ([{"size": 2}], b"ab"),
        ({"path": "a.png", "size": 2}, b"ab"),
        ([], b""),
        ([{"path": "a", "size": 0}] * 17, b""),
        ([{"path": "a.zip", "size": 22}], b"PK\5\6" + bytes(18)),
    ],
)
def test_a_body_that_cannot_be_divided_stores_nothing(
    listed: Any, content: bytes, browser: Client, batch: UploadBatch
) -> None:
    response = post_files(browser, batch, listed, content)
    assert (response.status_code, response.json()["code"]) == (400, "not_divisible")
    assert not UploadItem.objects.exists()


@pytest.mark.parametrize("list_bytes", ["", "-1", "1e3", "²", "0", "9" * 25, "9" * 5000])
def test_a_list_of_an_impossible_length_stores_nothing(
    list_bytes: str, browser: Client, batch: UploadBatch
) -> None:
    data = b'[{"path": "a.png", "size": 2}]ab'
    response = post_file(browser, batch, data, **{"X-List-Bytes": list_bytes})
    assert (response.status_code, response.json()["code"]) == (400, "not_divisible")
    assert not UploadItem.objects.exists()


def test_a_refusal_is_a_verdict_too(browser: Client, batch: UploadBatch) -> None:
    response = post_file(browser, batch, b"nonsense")
    assert response.status_code == 200
    assert response.json()["items"][0]["reason_code"] == "not_an_image"


def test_an_empty_file_is_refused_with_its_reason(browser: Client, batch: UploadBatch) -> None:
    response = post_file(browser, batch, b"")
    assert response.json()["items"][0]["reason_code"] == "empty"


def test_a_body_over_the_limit_is_not_even_read(
    browser: Client, batch: UploadBatch, settings: Settings
) -> None:
    settings.UPLOAD_MAX_BYTES = settings.UPLOAD_MAX_ARCHIVE_BYTES = 100
    response = post_file(browser, batch, bytes(101))
    assert response.status_code == 413
    assert response.json()["code"] == "too_large"


def test_a_nearly_full_disk_is_reported(
    browser: Client, batch: UploadBatch, settings: Settings
) -> None:
    settings.UPLOAD_MIN_FREE_BYTES = 2**62
    response = post_file(browser, batch, files.png(files.phantom()))
    assert response.status_code == 507
    assert "space" in response.json()["message"]
    assert not UploadItem.objects.exists()


def test_nothing_is_stored_beneath_a_volume_that_is_not_mounted(
    browser: Client, batch: UploadBatch, uploader: User, storage_folder: Path
) -> None:
    assert post_file(browser, batch, files.png(files.phantom())).status_code == 200
    volume = storage_folder.rename(storage_folder.with_name("volume"))
    storage_folder.mkdir()
    response = post_file(browser, batch, files.png(files.phantom(seed=2)))
    assert (response.status_code, response.json()["code"]) == (507, "storage_away")
    assert not list(storage_folder.iterdir())
    storage_folder.rmdir()
    volume.rename(storage_folder)
    assert post_file(browser, batch, files.png(files.phantom(seed=2))).status_code == 200


def test_a_read_only_storage_is_reported_and_reading_continues(
    browser: Client, batch: UploadBatch, uploader: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert post_file(browser, batch, files.png(files.phantom())).status_code == 200
    make_read_only(monkeypatch)
    response = post_file(browser, batch, files.png(files.phantom(seed=2)))
    assert (response.status_code, response.json()["code"]) == (507, "storage_read_only")
    assert "reading continues" in response.json()["message"]
    assert UploadItem.objects.count() == 1
    uploader.roles = [Role.RADIOLOGIST]
    uploader.save()
    pixels = reverse("review:pixels", args=[Radiograph.objects.get().pk])
    assert browser.get(pixels).status_code == 200


def test_more_files_were_announced_than_arrived(browser: Client, batch: UploadBatch) -> None:
    post_file(browser, batch, files.png(files.phantom()), **{"X-Expected-Files": "3"})
    assert "1 of 3 announced files" in browser.get(f"/uploads/{batch.pk}").text


# ── A new batch ─────────────────────────────────────────────────────────────────────────────────


def created(response: Any) -> UploadBatch:
    assert response.status_code == 302, response.text
    return UploadBatch.objects.get(pk=response.url.rsplit("/", 1)[-1])


def test_a_batch_without_case_records(browser: Client, uploader: User) -> None:
    batch = created(
        browser.post(
            "/uploads/new", {"name": "Night shift", "priority": "1", "identity_mode": "temporary"}
        )
    )
    assert (batch.name, batch.priority) == ("Night shift", Priority.URGENT)
    assert batch.created_by == uploader


def test_a_batch_with_a_form(browser: Client, send: Send) -> None:
    answer = {
        "priority": "2",
        "identity_mode": "form",
        "case-patient_id": "P-1",
        "case-family_name": "Doe",
        "case-given_name": "Jane",
        "case-symptoms": ["cough", "fever"],
    }
    batch = created(browser.post("/uploads/new", answer))
    send(files.png(files.phantom()), to=batch)
    assert Patient.objects.get().name == "Doe^Jane"


def test_an_incomplete_form_names_what_is_missing(browser: Client) -> None:
    response = browser.post("/uploads/new", {"priority": "2", "identity_mode": "form"})
    assert response.status_code == 422
    assert "Enter the Patient ID." in response.text
    assert not UploadBatch.objects.exists()


def test_no_hidden_field_keeps_the_browser_from_submitting(browser: Client) -> None:
    fields = re.findall(r'<[^>]* name="case-[^>]*>', browser.get("/uploads/new").text)
    assert len(fields) > 10
    assert not [field for field in fields if "required" in field]


def test_a_batch_with_a_sheet(browser: Client, send: Send) -> None:
    sheet = SimpleUploadedFile("s.csv", b"file,patient_id\na.png,P-1\n")
    answer = {"priority": "2", "identity_mode": "sheet", "sheet": sheet}
    batch = created(browser.post("/uploads/new", answer))
    assert batch.identity_mode == IdentityMode.SHEET
    send(files.png(files.phantom()), "a.png", to=batch)
    assert Patient.objects.get().patient_id == "P-1"


def test_a_sheet_with_invalid_lines_creates_nothing_and_names_them(browser: Client) -> None:
    sheet = SimpleUploadedFile("s.csv", b"file,patient_id\na.png,P-1\nb.png,\n")
    answer = {"priority": "2", "identity_mode": "sheet", "sheet": sheet}
    response = browser.post("/uploads/new", answer)
    assert response.status_code == 422
    assert re.search(r'class="wrong">\s*<span class="problem">Enter the Patient ID.', response.text)
    assert not UploadBatch.objects.exists()


def test_a_sheet_is_checked_without_creating_anything(browser: Client) -> None:
    lines = "".join(f"{number}.png,P-{number}\n" for number in range(600))
    sheet = SimpleUploadedFile("s.csv", f"file,patient_id\n{lines}bad.png,\n".encode())
    page = browser.post("/uploads/sheet/check", {"sheet": sheet}).text
    assert "1 line to correct" in page
    assert "600 valid lines" in page
    assert "bad.png" in page, "what is to be corrected is never left out"
    assert "101 more lines were checked" in page
    sheet = SimpleUploadedFile("s.csv", b"name\nx\n")
    assert "is missing" in browser.post("/uploads/sheet/check", {"sheet": sheet}).text
    assert not UploadBatch.objects.exists()


def test_lines_of_the_sheet_without_a_file_are_named(browser: Client, send: Send) -> None:
    sheet = SimpleUploadedFile("s.csv", b"file,patient_id\na.png,P-1\nb.png,P-2\n")
    answer = {"priority": "2", "identity_mode": "sheet", "sheet": sheet}
    batch = created(browser.post("/uploads/new", answer))
    send(files.png(files.phantom()), "folder/a.png", to=batch)
    page = browser.get(f"/uploads/{batch.pk}").text
    assert "1 line of the sheet has no file yet:" in page
    assert "b.png" in page


def test_a_sheet_has_to_be_chosen(browser: Client) -> None:
    response = browser.post("/uploads/new", {"priority": "2", "identity_mode": "sheet"})
    assert "Choose the CSV sheet." in response.text


def test_the_template_can_be_filled_in_and_submitted(browser: Client) -> None:
    template = browser.get("/uploads/sheet.csv").content
    columns = template.decode().strip().split(",")
    line = ",".join({"file": "a.png", "patient_id": "P"}.get(column, "") for column in columns)
    sheet = SimpleUploadedFile("s.csv", template + line.encode())
    created(
        browser.post("/uploads/new", {"priority": "2", "identity_mode": "sheet", "sheet": sheet})
    )


# ── Looking at batches ──────────────────────────────────────────────────────────────────────────


def test_a_batch_shows_each_verdict_and_groups_the_refusals(
    browser: Client, batch: UploadBatch, send: Send
) -> None:
    send(files.png(files.phantom()), "good.png")
    make_worker()
    for number in range(10):
        send(f"nonsense {number}".encode(), f"bad-{number:02}.txt")
    page = browser.get(f"/uploads/{batch.pk}").text
    assert "0 of 1 image analysed; next in the queue" in page
    assert "Queue: place 1" in page
    assert re.search(r'class="count">10<', page)
    assert "and 2 more" in page
    refused = browser.get(f"/uploads/{batch.pk}?show=refused").text
    assert "good.png" not in refused
    overview = browser.get("/uploads/").text
    assert str(batch.pk) in overview


def test_a_batch_shows_how_many_images_are_ahead(
    browser: Client, batch: UploadBatch, send: Send, uploader: User
) -> None:
    make_worker()
    before = services.create_batch(uploader, priority=Priority.URGENT)
    send(files.png(files.phantom(seed=5)), "mine.png")
    for seed in range(2):
        send(files.png(files.phantom(seed=seed)), f"{seed}.png", to=before)
    page = browser.get(f"/uploads/{batch.pk}").text
    assert "2 other images go first" in page
    assert "Queue: place 3" in page


@pytest.mark.parametrize("fields", [{"is_draining": True}, {"stopped_at": timezone.now()}])
def test_nobody_is_next_while_no_worker_takes_jobs(
    browser: Client, batch: UploadBatch, send: Send, fields: dict[str, Any]
) -> None:
    make_worker(**fields)
    send(files.png(files.phantom()), "a.png")
    page = browser.get(f"/uploads/{batch.pk}").text
    assert "waiting: no worker is running at the moment, and hospital IT has been notified" in page
    assert "next in the queue" not in page


def test_a_batch_says_that_its_analysis_is_paused(
    browser: Client, batch: UploadBatch, send: Send, uploader: User
) -> None:
    make_worker()
    send(files.png(files.phantom()), "a.png")
    pause(Priority.STAT, uploader)
    assert "has paused" not in browser.get(f"/uploads/{batch.pk}").text
    pause(None, uploader)
    page = browser.get(f"/uploads/{batch.pk}").text
    assert "waiting: hospital IT has paused the analysis for now" in page
    assert "next in the queue" not in page


def test_received_files_are_listed_as_json(browser: Client, batch: UploadBatch, send: Send) -> None:
    item = send(files.png(files.phantom()), "a.png")
    send(b"nonsense", "b.txt")
    a, b = browser.get(f"/uploads/{batch.pk}/received").json()["items"]
    assert (a["file_name"], a["size"], a["sha256"]) == ("a.png", item.size, item.sha256)
    assert (b["verdict"], b["reason_code"]) == ("refused", "not_an_image")


def test_an_idle_batch_does_not_poll(browser: Client, batch: UploadBatch) -> None:
    assert "data-live-seconds" not in browser.get(f"/uploads/{batch.pk}/status").text


def test_a_link_to_the_study_is_only_for_those_who_may_open_it(
    browser: Client,
    batch: UploadBatch,
    send: Send,
    make_user: Callable[..., User],
    sign_in: Callable[[User], Client],
) -> None:
    send(files.png(files.phantom()))
    assert "/studies/" not in browser.get(f"/uploads/{batch.pk}").text
    both = sign_in(make_user("uploader", "radiologist", username="both"))
    assert "/studies/" in both.get(f"/uploads/{batch.pk}").text


# ── Roles ───────────────────────────────────────────────────────────────────────────────────────


def test_only_uploaders_have_access(
    radiologist: User,
    it_person: User,
    auditor: User,
    sign_in: Callable[[User], Client],
    batch: UploadBatch,
) -> None:
    addresses = ["", "new", "held", "sheet.csv", str(batch.pk), f"{batch.pk}/status"]
    assert sign_in(radiologist).get("/uploads/").status_code == 200
    for person in (it_person, auditor):
        client = sign_in(person)
        for address in addresses:
            assert client.get(f"/uploads/{address}").status_code == 403
        assert post_file(client, batch, b"x").status_code == 403
