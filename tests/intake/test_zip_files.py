"""ZIP files: a verdict for each file, and resuming after an interruption."""

import io
from typing import Any

import pytest

from tests import dicom_files as files
from tests.intake.conftest import counts, zip_of
from webportal.accounts.models import User
from webportal.inference.models import Job
from webportal.intake import pipeline
from webportal.intake.models import UploadBatch
from webportal.intake.pipeline import store
from webportal.intake.pipeline.upload import Upload
from webportal.records.models import Radiograph

pytestmark = pytest.mark.django_db


def receive(batch: UploadBatch, by: User, data: bytes) -> dict[str, str]:
    items = pipeline.receive_file(batch, "a.zip", io.BytesIO(data), by)
    return {item.file_name: item.verdict for item in items}


def test_each_file_of_a_zip_has_its_own_verdict(batch: UploadBatch, uploader: User) -> None:
    data = zip_of(
        good__png=files.png(files.phantom()),
        bad__png=b"nonsense",
        worse__zip=zip_of(a=b"x"),
        other__png=files.png(files.phantom(seed=1)),
    )
    expected = {
        "a.zip/good.png": "accepted",
        "a.zip/bad.png": "refused",
        "a.zip/worse.zip": "refused",
        "a.zip/other.png": "accepted",
    }
    assert receive(batch, uploader, data) == expected
    before = counts()
    assert receive(batch, uploader, data) == expected
    assert counts() == before


def test_a_zip_that_was_interrupted_continues_where_it_stopped(
    batch: UploadBatch, uploader: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = zip_of(**{f"{n}__png": files.png(files.phantom(seed=n)) for n in range(4)})
    put_files = store.put_files

    def lose_the_database_at_the_third(upload: Upload, *args: Any) -> store.Files:
        if upload.file_name == "a.zip/2.png":
            raise OSError("connection lost")
        return put_files(upload, *args)

    monkeypatch.setattr(store, "put_files", lose_the_database_at_the_third)
    with pytest.raises(OSError, match="connection lost"):
        receive(batch, uploader, data)
    assert Radiograph.objects.count() == 2
    monkeypatch.undo()
    assert set(receive(batch, uploader, data).values()) == {"accepted"}
    assert Radiograph.objects.count() == Job.objects.count() == 4
