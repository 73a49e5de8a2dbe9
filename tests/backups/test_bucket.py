"""Backups go to a bucket and come back from there."""

from collections.abc import Iterator

import boto3
import pytest
from moto.server import ThreadedMotoServer
from pytest_django.fixtures import Settings

from tests import dicom_files as files
from tests.backups.conftest import Other, hashes
from tests.intake.conftest import Send
from webportal.audit import anchors
from webportal.backups import repository, taking, verifying
from webportal.storage import storage_from_url

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bucket(
    monkeypatch: pytest.MonkeyPatch, identity_file: object, settings: Settings
) -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    boto3.client("s3").create_bucket(Bucket="backups")
    url = "s3://backups/chestline"
    settings.BACKUP_REPOSITORY = url
    settings.STORAGES = settings.STORAGES | {"backups": storage_from_url(url)}
    yield url
    server.stop()


def test_a_backup_in_a_bucket_is_continued_verified_and_restored(
    send: Send, other: Other, bucket: str, storage_folder: object, settings: Settings
) -> None:
    settings.BACKUP_REPOSITORY = bucket
    settings.STORAGES = settings.STORAGES | {"backups": storage_from_url(bucket)}
    send(files.dicom(files.phantom(seed=1)))
    anchors.anchor()
    first = taking.take()
    assert (first.state, first.new_files) == ("complete", 1)
    send(files.jpeg(files.phantom(seed=2)))
    anchors.anchor()
    second = taking.take()
    assert (second.state, second.new_files) == ("complete", 2)
    assert repository.names() == [first.name, second.name]
    assert verifying.verify(second.name).faults == []
    done = other.manage("restore", BACKUP_REPOSITORY=bucket)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Restored and intact" in done.stdout
    assert len(hashes(other.storage)) == 3
    assert len(other.rows("records_radiograph")) == 2

    s3 = boto3.resource("s3").Bucket("backups")
    [lost] = [each for each in s3.objects.all() if "/files/originals/" in each.key]
    lost.delete()
    assert len(verifying.verify(second.name).faults) == 1
