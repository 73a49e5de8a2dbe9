"""The network's input is made once: intake hands it to the worker that analyses the image."""

import io
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from django.db import transaction
from pytest_django import DjangoCaptureOnCommitCallbacks
from pytest_django.fixtures import Settings

from ml.serving.preprocessing import USUAL_SIZE, read_input
from scheduler.tasks import clean_storage
from tests import dicom_files as files
from tests.factories import make_uploader
from webportal.erasure import files as erased
from webportal.inference import inputs
from webportal.intake.batches.services import create_batch
from webportal.intake.pipeline import receive_files
from webportal.records.models import Radiograph
from webportal.storage import read_verified
from workers.loading import UnreadableFileError, load_input

pytestmark = pytest.mark.django_db

SHA256 = "ab" * 32
PIXELS = bytes(range(256)) * (USUAL_SIZE**2 // 256)


@pytest.fixture
def handed_over(
    storage_folder: Path, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> Path:
    """A file with PIXELS as the input of the instance SHA256."""
    (storage_folder / "dicom").mkdir(parents=True)
    with django_capture_on_commit_callbacks(execute=True):
        inputs.hand_over({SHA256: PIXELS})
    return storage_folder / "inputs" / SHA256


def upload(*names: str, is_prior: bool = False) -> list[Radiograph]:
    by = make_uploader()
    batch = create_batch(by, is_prior=is_prior)
    sent = [
        (name, io.BytesIO(files.jpeg(files.phantom(size=(700, 900), seed=number))))
        for number, name in enumerate(names)
    ]
    items = receive_files(batch, sent, by)
    return list(
        Radiograph.objects.filter(upload_items__in=items).order_by("upload_items__file_name")
    )


@pytest.mark.parametrize("names", [("1.jpeg",), ("1.jpeg", "2.jpeg", "3.jpeg")])
def test_a_worker_takes_the_input_that_intake_has_made(
    names: tuple[str, ...],
    storage_folder: Path,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        images = upload(*names)
        assert not (storage_folder / "inputs").exists()
    assert len(images) == len(names)
    for image in images:
        stored = read_verified(image.dicom_key, image.dicom_sha256)
        expected = read_input(stored, USUAL_SIZE)
        # It is the input handed over, not another decoding.
        (storage_folder / image.dicom_key).rename(storage_folder / "elsewhere")
        given = load_input(image.dicom_key, image.dicom_sha256, USUAL_SIZE)
        assert np.array_equal(given, expected)
        with pytest.raises(UnreadableFileError):
            load_input(image.dicom_key, image.dicom_sha256, USUAL_SIZE)
        (storage_folder / "elsewhere").rename(storage_folder / image.dicom_key)
        assert np.array_equal(load_input(image.dicom_key, image.dicom_sha256, USUAL_SIZE), expected)
    assert list((storage_folder / "inputs").iterdir()) == []


def test_priors_are_not_handed_over(
    storage_folder: Path, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        assert upload("1.jpeg", is_prior=True)
    assert not (storage_folder / "inputs").exists()


def test_an_input_is_there_before_workers_hear_of_the_job(
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks() as after_commit:
        upload("1.jpeg")
    assert [each.__module__ for each in after_commit] == [
        "webportal.inference.inputs",
        "webportal.inference.hints",
    ]


@pytest.mark.django_db(transaction=True)
def test_nothing_is_handed_over_of_what_was_not_stored(storage_folder: Path) -> None:
    (storage_folder / "dicom").mkdir(parents=True)
    with transaction.atomic():
        inputs.hand_over({SHA256: PIXELS})
        transaction.set_rollback(True)
    assert not (storage_folder / "inputs").exists()


def test_it_is_taken_once(handed_over: Path) -> None:
    assert inputs.take(SHA256, USUAL_SIZE) == PIXELS
    assert inputs.take(SHA256, USUAL_SIZE) is None
    assert not handed_over.exists()


def test_an_altered_one_is_not_used(handed_over: Path) -> None:
    data = bytearray(handed_over.read_bytes())
    data[-1] ^= 1
    handed_over.write_bytes(data)
    assert inputs.take(SHA256, USUAL_SIZE) is None
    assert not handed_over.exists()


def test_nor_that_of_another_image(handed_over: Path) -> None:
    handed_over.rename(handed_over.with_name("cd" * 32))
    assert inputs.take("cd" * 32, USUAL_SIZE) is None


def test_nor_one_of_another_release(handed_over: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "VERSION", "0.0")
    assert inputs.take(SHA256, USUAL_SIZE) is None


def test_nor_one_signed_with_another_key(handed_over: Path, settings: Settings) -> None:
    settings.SECRET_KEY = "k" * 50
    assert inputs.take(SHA256, USUAL_SIZE) is None


def test_nor_one_for_a_network_of_another_size(handed_over: Path) -> None:
    assert inputs.take(SHA256, 2 * USUAL_SIZE) is None


def test_one_that_nobody_fetches_is_removed_after_an_hour(handed_over: Path) -> None:
    assert inputs.remove_old() == 0
    an_hour_ago = time.time() - inputs.KEPT_SECONDS - 60
    os.utime(handed_over, (an_hour_ago, an_hour_ago))
    assert inputs.remove_old() == 1
    assert not handed_over.exists()


def test_the_scheduler_sees_to_that(handed_over: Path) -> None:
    os.utime(handed_over, (0, 0))
    clean_storage()
    assert not handed_over.exists()


def test_nothing_else_in_the_folder_keeps_the_storage_from_being_cleaned(handed_over: Path) -> None:
    an_hour_ago = time.time() - inputs.KEPT_SECONDS - 60
    others = [handed_over.with_name(name) for name in ("@eaDir", "dangling")]
    others[0].mkdir()
    others[1].symlink_to(handed_over.with_name("gone"))
    for each in (handed_over, *others):
        os.utime(each, (an_hour_ago, an_hour_ago), follow_symlinks=False)
    assert inputs.remove_old() == 2
    assert list(handed_over.parent.iterdir()) == [others[0]]


def test_no_link_leads_to_another_file(
    storage_folder: Path, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    (storage_folder / "dicom").mkdir(parents=True)
    (storage_folder / "inputs").mkdir()
    elsewhere = storage_folder.with_name("elsewhere")
    elsewhere.write_bytes(b"of somebody else")
    (storage_folder / "inputs" / f".incoming-{SHA256}").symlink_to(elsewhere)
    with django_capture_on_commit_callbacks(execute=True):
        inputs.hand_over({SHA256: PIXELS})
    assert elsewhere.read_bytes() == b"of somebody else"
    assert inputs.take(SHA256, USUAL_SIZE) is None


def test_one_that_is_too_long_is_not_read_to_its_end(handed_over: Path) -> None:
    with handed_over.open("ab") as file:
        file.truncate(2**40)  # sparse
    assert inputs.take(SHA256, USUAL_SIZE) is None
    assert not handed_over.exists()


def test_an_erasure_removes_it_with_the_image(handed_over: Path) -> None:
    assert erased.remove(f"dicom/ab/ab/{SHA256}.dcm")
    assert not handed_over.exists()


def test_nothing_is_written_beneath_a_volume_that_has_gone(
    storage_folder: Path, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        assert upload("1.jpeg")
        shutil.rmtree(storage_folder)
        storage_folder.mkdir()
    assert list(storage_folder.iterdir()) == []


def test_a_disk_that_takes_no_more_costs_only_the_short_cut(
    storage_folder: Path, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    # A file where the folder should be.
    storage_folder.mkdir()
    (storage_folder / "inputs").write_bytes(b"")
    with django_capture_on_commit_callbacks(execute=True):
        (image,) = upload("1.jpeg")
    assert load_input(image.dicom_key, image.dicom_sha256, USUAL_SIZE).shape == (224, 224)
