"""STOW-RS: what is stored, and what is answered of each instance."""

import errno
from typing import Any

import pytest
from django.core.files import File
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pydicom import uid
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from tests import dicom_files as files
from tests.dicomweb.conftest import BOUNDARY, STUDIES, Call, in_parts, stow
from tests.helpers import make_read_only
from webportal.access.models import AccessEntry
from webportal.accounts.models import Role, TokenScope, User
from webportal.dicomweb import multipart
from webportal.intake.models import UploadBatch, UploadItem
from webportal.intake.pipeline import group
from webportal.records.files import read_original
from webportal.records.models import Radiograph
from webportal.storage import DurableFileSystemStorage

FAILED, REFERENCED, OTHERS = "00081198", "00081199", "0008119A"
REASON, WARNING = "00081197", "00081196"
CLASS, INSTANCE, URL = "00081150", "00081155", "00081190"


def phantom(seed: int = 0, **elements: Any) -> bytes:
    return files.dicom(files.phantom(seed=seed), StudyInstanceUID="1.2.3", **elements)


def test_instances_are_stored_as_they_came(reader: APIClient) -> None:
    sent = [phantom(1), phantom(2)]
    response = stow(reader, *sent)
    answer = response.json()
    assert (response.status_code, response["Content-Type"]) == (200, "application/dicom+json")
    stored = Radiograph.objects.order_by("created_at")
    assert [read_original(each) for each in stored] == sent
    assert [each[INSTANCE]["Value"][0] for each in answer[REFERENCED]["Value"]] == [
        each.sop_instance_uid for each in stored
    ]
    assert answer[URL]["Value"] == ["http://testserver/dicom-web/studies/1.2.3"]
    first = stored[0]
    assert first.series is not None
    assert answer[REFERENCED]["Value"][0][URL]["Value"] == [
        f"http://testserver/dicom-web/studies/1.2.3/series/{first.series.series_instance_uid}"
        f"/instances/{first.sop_instance_uid}"
    ]
    assert FAILED not in answer
    assert OTHERS not in answer
    assert UploadBatch.objects.get().expected_files == 2
    shown = AccessEntry.objects.get(route="dicomweb:studies")
    assert shown.study_ids == [first.study_id]


def test_a_bad_part_does_not_affect_the_good_ones(reader: APIClient) -> None:
    cut = phantom(2)[:-5000]
    response = stow(reader, phantom(1), cut, b"no DICOM at all", phantom(3))
    answer = response.json()
    assert response.status_code == 202
    assert Radiograph.objects.count() == len(answer[REFERENCED]["Value"]) == 2
    [failed] = answer[FAILED]["Value"]
    assert failed[REASON]["Value"] == [0xC000]
    assert failed[CLASS]["Value"] == [uid.ComputedRadiographyImageStorage]
    assert failed["00091001"]["Value"] == ["truncated"]
    [other] = answer[OTHERS]["Value"]
    assert other[REASON]["Value"] == [0xC000]


def test_nothing_stored_is_a_conflict(reader: APIClient) -> None:
    report = files.dicom(files.phantom(), SOPClassUID=uid.BasicTextSRStorage, Modality="SR")
    response = stow(reader, report)
    assert response.status_code == 409
    [failed] = response.json()[FAILED]["Value"]
    assert failed[REASON]["Value"] == [0x0122]
    assert REFERENCED not in response.json()


def test_what_is_stored_already_is_success(reader: APIClient) -> None:
    data = phantom()
    assert [stow(reader, data).status_code for _ in range(2)] == [200, 200]
    assert Radiograph.objects.count() == 1
    assert len(stow(reader, data).json()[REFERENCED]["Value"]) == 1


def test_a_held_instance_is_kept_and_reported_as_waiting(reader: APIClient) -> None:
    stow(reader, phantom(1))
    response = stow(reader, phantom(2, PatientName="Somebody^Else"))
    [stored] = response.json()[REFERENCED]["Value"]
    assert (response.status_code, stored[WARNING]["Value"]) == (202, [0xB001])
    assert "a different name" in stored["00091002"]["Value"][0]
    assert UploadItem.objects.filter(verdict="held").count() == 1


def test_an_instance_of_another_study_than_the_address_says_is_not_stored(
    reader: APIClient,
) -> None:
    response = stow(reader, phantom(), path=f"{STUDIES}/1.2.4")
    assert response.status_code == 409
    assert response.json()[FAILED]["Value"][0][REASON]["Value"] == [0xC001]
    assert not Radiograph.objects.exists()
    assert stow(reader, phantom(), path=f"{STUDIES}/1.2.3").status_code == 200


def test_a_jpeg_or_zip_is_not_wrapped_or_unpacked(reader: APIClient) -> None:
    response = stow(reader, files.jpeg(files.phantom()), b"PK\x03\x04" + bytes(200))
    assert response.status_code == 409
    assert len(response.json()[OTHERS]["Value"]) == 2
    assert not UploadItem.objects.exists()


@pytest.mark.parametrize("is_single", [False, True])
def test_a_file_that_is_too_large_is_refused_and_the_others_are_stored(
    is_single: bool, reader: APIClient, settings: Settings
) -> None:
    settings.UPLOAD_MAX_BYTES = len(phantom(1)) + 10_000
    large = phantom(2) + bytes(20_000)
    if is_single:
        response = reader.post(STUDIES, data=large, content_type="application/dicom")
        assert response.status_code == 409
    else:
        response = stow(reader, phantom(1), large)
        assert response.status_code == 202
    [failed] = response.json()[OTHERS]["Value"]
    assert failed[REASON]["Value"] == [0xC002]
    assert failed["00091001"]["Value"] == ["too_large"]
    assert Radiograph.objects.count() == 1 - is_single


def test_a_body_has_a_limited_number_of_parts(
    reader: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multipart, "MOST_PARTS", 2)
    response = stow(reader, phantom(1), b"", phantom(2), b"")
    assert response.status_code == 202
    assert Radiograph.objects.count() == 1
    others = response.json()[OTHERS]["Value"]
    assert len(others) == 2
    assert "At most 2 parts" in others[1]["00091002"]["Value"][0]


def test_a_header_is_only_parsed_in_the_sandbox(
    reader: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def parse_here(data: bytes) -> None:
        raise AssertionError("parsed in the portal's own process")

    data = phantom()
    monkeypatch.setattr("ml.images.dicom.describe", parse_here)
    assert stow(reader, data).status_code == 200


def test_a_body_that_breaks_off_keeps_what_was_whole(reader: APIClient) -> None:
    body = in_parts(phantom(1), phantom(2))[:-4000]
    response = stow(reader, body=body)
    assert response.status_code == 202
    assert len(response.json()[REFERENCED]["Value"]) == len(response.json()[OTHERS]["Value"]) == 1
    assert Radiograph.objects.count() == 1


@pytest.mark.parametrize(
    "body", [b"nothing", b"--another\r\n\r\nx\r\n--another--", b"--the-boundary\r\n"]
)
def test_a_body_without_a_part_is_refused(reader: APIClient, body: bytes) -> None:
    response = stow(reader, body=body)
    assert (response.status_code, response["Content-Type"]) == (400, "application/problem+json")
    assert not UploadBatch.objects.exists()


def test_a_preamble_and_a_boundary_within_the_content_are_no_parts(reader: APIClient) -> None:
    data = phantom(ImageComments=f"\r\n--{BOUNDARY}x")
    response = stow(reader, body=b"\r\npreamble\r\n" + in_parts(data) + b"epilogue")
    assert response.status_code == 200
    assert read_original(Radiograph.objects.get()) == data


def test_a_boundary_may_be_as_long_as_that_of_orthanc(reader: APIClient) -> None:
    boundary = "x" * 73
    response = reader.post(
        STUDIES,
        data=in_parts(phantom()).replace(BOUNDARY.encode(), boundary.encode()),
        content_type=f"multipart/related; type=application/dicom; boundary={boundary}",
    )
    assert response.status_code == 200


def test_a_single_instance_may_be_the_whole_body(reader: APIClient) -> None:
    response = reader.post(STUDIES, data=phantom(), content_type="application/dicom")
    assert response.status_code == 200
    assert Radiograph.objects.count() == 1


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "multipart/form-data; boundary=x",
        'multipart/related; type="application/dicom+json"; boundary=x',
    ],
)
def test_other_media_types_are_refused(reader: APIClient, content_type: str) -> None:
    response = reader.post(STUDIES, data=b"{}", content_type=content_type)
    assert response.status_code == 415


def test_callers_who_may_not_read_the_response_cannot_store(reader: APIClient) -> None:
    response = reader.post(
        STUDIES,
        data=phantom(),
        content_type="application/dicom",
        headers={"accept": "application/dicom+xml"},
    )
    assert response.status_code == 406
    assert not Radiograph.objects.exists()


def test_a_storage_that_accepts_nothing_is_reported(
    reader: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_read_only(monkeypatch)
    response = stow(reader, phantom())
    assert (response.status_code, response.json()["type"]) == (
        507,
        "urn:chestline:problem:storage-read-only",
    )


def test_plain_instances_of_a_request_are_stored_together(
    reader: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group, "MOST_FILES", 3)
    with CaptureQueriesContext(connection) as queries:
        response = stow(reader, *(phantom(seed) for seed in range(5)))
    assert len(response.json()[REFERENCED]["Value"]) == Radiograph.objects.count() == 5
    inserts = [each for each in queries if 'INSERT INTO "records_radiograph"' in each["sql"]]
    assert len(inserts) == 2
    assert UploadBatch.objects.get().expected_files == 5


def test_a_storage_that_fills_up_keeps_and_says_what_there_was_room_for(
    reader: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = DurableFileSystemStorage._save

    def full(self: DurableFileSystemStorage, name: str, content: File[bytes]) -> str:
        if Radiograph.objects.count() >= 2:
            raise OSError(errno.ENOSPC, "It cannot be written")
        return save(self, name, content)

    def fail(_: object) -> None:
        raise OSError("together it does not fit")

    monkeypatch.setattr(DurableFileSystemStorage, "_save", full)
    monkeypatch.setattr(group, "store_plain", fail)
    response = stow(reader, *(phantom(seed) for seed in range(4)))
    assert response.status_code == 202
    answer = response.json()
    assert len(answer[REFERENCED]["Value"]) == Radiograph.objects.count() == 2
    assert [each[REASON]["Value"] for each in answer[FAILED]["Value"]] == [[0xA700]] * 2


def test_roles_and_scopes_decide_who_stores(calling: Call, uploader: User, auditor: User) -> None:
    assert stow(calling(uploader, TokenScope.UPLOAD, "Token"), phantom()).status_code == 200
    assert stow(calling(uploader, TokenScope.READ), phantom()).status_code == 403
    assert stow(calling(auditor), phantom()).status_code == 403
    assert stow(APIClient(), phantom()).status_code == 401
    assert calling(uploader, TokenScope.UPLOAD).get(STUDIES).status_code == 403
    assert calling(uploader).get(f"{STUDIES}/1.2.3").status_code == 403
    assert Role.RADIOLOGIST not in uploader.roles
