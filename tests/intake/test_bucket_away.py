"""A bucket that does not answer refuses no file for good, and is named as the reason."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import pytest
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from moto.server import ThreadedMotoServer
from pytest_django.fixtures import Settings

from tests import dicom_files as files
from tests.helpers import free_port
from tests.intake.test_pages import post_file, post_files
from webportal.accounts.models import Role, User
from webportal.intake.batches import services
from webportal.intake.models import UploadItem
from webportal.records.models import FileFault, Radiograph
from webportal.storage import StorageAwayError, storage_from_url

pytestmark = pytest.mark.django_db
BUCKET = "s3://radiographs/hospital"


def start(port: int) -> ThreadedMotoServer:
    server = ThreadedMotoServer("127.0.0.1", port=port, verbose=False)
    server.start()
    return server


def use_bucket(port: int, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{port}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    settings.STORAGES = settings.STORAGES | {"default": storage_from_url(BUCKET)}


@pytest.mark.parametrize("count", [1, 2], ids=["one file", "files sent together"])
def test_uploads_are_to_be_sent_again_and_images_say_why_they_are_not_shown(
    count: int,
    make_user: Callable[..., User],
    sign_in: Callable[[User], Client],
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port = free_port()
    use_bucket(port, settings, monkeypatch)
    person = make_user(Role.RADIOLOGIST, Role.UPLOADER)
    browser, batch = sign_in(person), services.create_batch(person)

    def send(*seeds: int) -> tuple[int, str]:
        contents = [files.dicom(files.phantom(seed=seed)) for seed in seeds]
        if len(contents) == 1:
            answer = post_file(browser, batch, contents[0])
        else:
            listed = [{"path": f"{n}.dcm", "size": len(d)} for n, d in enumerate(contents)]
            answer = post_files(browser, batch, listed, *contents)
        return answer.status_code, answer.json().get("code", "")

    server = start(port)
    try:
        boto3.client("s3").create_bucket(Bucket="radiographs")
        assert send(1) == (200, "")
        pixels = reverse("review:pixels", args=[Radiograph.objects.get().pk])
        assert browser.get(pixels).status_code == 200
        server.stop()
        seeds = range(2, 2 + count)
        assert send(*seeds) == (507, "storage_away")
        assert (UploadItem.objects.count(), Radiograph.objects.count()) == (1, 1)
        assert "storage of the images cannot be reached" in browser.get(pixels).text
        assert not FileFault.objects.exists()
        server = start(port)
        assert send(*seeds) == (200, "")
        assert Radiograph.objects.count() == 1 + count
        assert set(UploadItem.objects.values_list("verdict", flat=True)) == {"accepted"}
        assert browser.get(pixels).status_code == 200
    finally:
        server.stop()


class BreaksOff(BaseHTTPRequestHandler):
    """An object store that answers, and loses the connection in the middle of each object."""

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        self.wfile.write(b"half")

    def log_message(self, *_about: object) -> None:
        """Say nothing."""


def test_a_bucket_that_breaks_off_each_download_is_away(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BreaksOff) as server:
        use_bucket(server.server_port, settings, monkeypatch)
        threading.Thread(target=server.serve_forever).start()
        try:
            with pytest.raises(StorageAwayError):
                default_storage.open("some file")
        finally:
            server.shutdown()
