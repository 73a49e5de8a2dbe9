"""ZIP files are queued, so that unpacking them never blocks pages."""

from collections.abc import Callable
from io import BytesIO

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from tests import dicom_files as files
from tests.intake.conftest import zip_of
from webportal.accounts.models import Role, User
from webportal.intake import pipeline
from webportal.intake.errors import StorageReadOnlyError
from webportal.intake.models import UploadBatch, UploadItem
from webportal.intake.pipeline import turns

pytestmark = pytest.mark.django_db

ZIP = zip_of(a__txt=b"not a picture", b__txt=b"nor this")


@pytest.fixture
def others(make_user: Callable[..., User]) -> list[User]:
    return [make_user(Role.UPLOADER, username=f"other-{number}") for number in range(4)]


def post(user: User, batch: UploadBatch, name: str = "a.zip", data: bytes = ZIP) -> HttpResponse:
    client = Client()
    client.force_login(user)
    answer: HttpResponse = client.post(  # type: ignore[assignment]
        reverse("intake:upload", args=[batch.pk]),
        data,
        content_type="application/octet-stream",
        headers={"X-File-Path": name},
    )
    return answer


def test_only_one_zip_per_user_is_unpacked_at_a_time(
    uploader: User, batch: UploadBatch, others: list[User]
) -> None:
    with turns.unpacking(uploader):
        for name in ("a.zip", "named-otherwise"):
            answer = post(uploader, batch, name)
            assert answer.status_code == 429
            assert answer["Retry-After"] == "5"
            assert b"archive_waits" in answer.content
        assert not UploadItem.objects.exists()
        # Single files, and the ZIP of another person, have no part in it.
        assert post(uploader, batch, "a.dcm", files.dicom(files.phantom())).status_code == 200
        assert post(others[0], batch).status_code == 200
    assert post(uploader, batch).status_code == 200


def test_the_number_unpacked_at_once_is_limited(
    uploader: User, batch: UploadBatch, others: list[User], settings: Settings
) -> None:
    settings.UPLOAD_ARCHIVES_AT_ONCE = 2
    with turns.unpacking(others[0]), turns.unpacking(others[1]):
        assert post(uploader, batch).status_code == 429
    assert post(uploader, batch).status_code == 200


def test_a_failure_releases_the_turn(
    uploader: User, batch: UploadBatch, settings: Settings
) -> None:
    settings.UPLOAD_MIN_FREE_BYTES = 0
    broken = settings.STORAGES
    settings.STORAGES = broken | {
        "default": {
            "BACKEND": "webportal.storage.DurableFileSystemStorage",
            "OPTIONS": {"location": "/dev/null/nowhere"},
        }
    }
    image = zip_of(a__dcm=files.dicom(files.phantom()))
    with pytest.raises(StorageReadOnlyError):
        pipeline.receive_file(batch, "a.zip", BytesIO(image), uploader)
    settings.STORAGES = broken
    (item,) = pipeline.receive_file(batch, "a.zip", BytesIO(image), uploader)
    assert item.verdict == "accepted"


def test_a_zip_that_takes_too_long_stops_and_resumes_when_sent_again(
    uploader: User, batch: UploadBatch, settings: Settings
) -> None:
    settings.UPLOAD_ARCHIVE_SECONDS = 0
    (item,) = pipeline.receive_file(batch, "a.zip", BytesIO(ZIP), uploader)
    assert (item.file_name, item.verdict, item.reason_code) == (
        "a.zip",
        "refused",
        "archive_too_slow",
    )
    assert "split it" in str(item.reason)
    settings.UPLOAD_ARCHIVE_SECONDS = 60
    items = pipeline.receive_file(batch, "a.zip", BytesIO(ZIP), uploader)
    assert [each.file_name for each in items] == ["a.zip/a.txt", "a.zip/b.txt"]
