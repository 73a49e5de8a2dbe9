"""The same content sent concurrently, with real transactions."""

import io
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pydicom
import pytest
from django.db import DataError, OperationalError, connection

from tests import dicom_files as files
from tests.intake.conftest import stored_files
from webportal.accounts.models import Role, User
from webportal.audit.trail import append_all
from webportal.audit.verification import verify
from webportal.inference.models import Job
from webportal.intake import pipeline
from webportal.intake.batches import services
from webportal.intake.models import UploadBatch, UploadItem
from webportal.records.models import Patient, Radiograph, Study
from webportal.storage import read_verified

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def uploader(make_user: Callable[..., User]) -> User:
    return make_user(Role.UPLOADER)


def send_at_once(
    uploader: User, uploads: list[tuple[UploadBatch, str, bytes]]
) -> list[UploadItem | Exception]:
    start = threading.Barrier(len(uploads))
    results: list[UploadItem | Exception] = []

    def send(batch: UploadBatch, name: str, data: bytes) -> None:
        try:
            start.wait()
            results.extend(pipeline.receive_file(batch, name, io.BytesIO(data), uploader))
        except Exception as error:
            results.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=send, args=upload) for upload in uploads]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def verdicts_of(results: list[UploadItem | Exception]) -> list[str]:
    return sorted(item.verdict if isinstance(item, UploadItem) else repr(item) for item in results)


def test_one_file_sent_twice_concurrently_is_one_item(uploader: User, storage_folder: Path) -> None:
    batch = services.create_batch(uploader)
    data = files.png(files.phantom())
    results = send_at_once(uploader, [(batch, "a.png", data)] * 4)
    assert verdicts_of(results) == ["accepted"] * 4
    assert UploadItem.objects.count() == Radiograph.objects.count() == Job.objects.count() == 1
    assert Patient.objects.count() == Study.objects.count() == 1
    assert len(stored_files(storage_folder)) == 2
    assert verify().findings == []


def test_one_image_under_several_names_is_stored_once(uploader: User, storage_folder: Path) -> None:
    data = files.dicom(files.phantom())
    batches = [services.create_batch(uploader) for _ in range(3)]
    results = send_at_once(uploader, [(batch, "a.dcm", data) for batch in batches])
    assert verdicts_of(results) == ["accepted", "duplicate", "duplicate"]
    assert Radiograph.objects.count() == Job.objects.count() == 1
    assert len(stored_files(storage_folder)) == 1


def test_images_of_a_new_patient_sent_concurrently_share_patient_and_study(uploader: User) -> None:
    batch = services.create_batch(uploader)
    uid = pydicom.uid.generate_uid()
    uploads = [
        (batch, f"{seed}.dcm", files.dicom(files.phantom(seed=seed), StudyInstanceUID=uid))
        for seed in range(6)
    ]
    assert verdicts_of(send_at_once(uploader, uploads)) == ["accepted"] * 6
    assert Patient.objects.count() == Study.objects.count() == 1
    assert Radiograph.objects.count() == 6


@pytest.mark.parametrize("cause", ["connection", "statement"])
def test_who_loses_the_lock_takes_no_file_from_who_has_it_next(
    cause: str, uploader: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database ends the session or the transaction; another request stores the same content."""
    data = files.dicom(files.phantom())
    mine, other = (services.create_batch(uploader) for _ in range(2))
    target = "webportal.intake.pipeline.store.append_all"

    def lose_the_lock(*arguments: Any) -> Any:
        monkeypatch.undo()
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            [session] = cursor.fetchone()
            if cause == "connection":
                end_session(session)
            else:
                with suppress(DataError):
                    cursor.execute("SELECT 1 / 0")
        assert verdicts_of(send_at_once(uploader, [(other, "a.dcm", data)])) == ["accepted"]
        return append_all(*arguments)

    monkeypatch.setattr(target, lose_the_lock)
    [lost] = send_at_once(uploader, [(mine, "a.dcm", data)])
    assert verdicts_of([lost]) != ["accepted"]
    if cause == "connection":
        assert isinstance(lost, OperationalError)
    radiograph = Radiograph.objects.get()
    assert read_verified(radiograph.dicom_key, radiograph.dicom_sha256) == data


def end_session(session: int) -> None:
    def end() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [session])
        connection.close()

    ending = threading.Thread(target=end)
    ending.start()
    ending.join()
