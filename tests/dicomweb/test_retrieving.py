"""WADO-RS: the bytes that are sent, in which form, and as whose."""

from datetime import date, datetime
from io import BytesIO
from typing import Any

import numpy as np
import pydicom
import pytest
from django.core.files.storage import default_storage
from django.utils import timezone
from django.utils.http import parse_header_parameters
from PIL import Image
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from rest_framework.test import APIClient

from ml import images
from tests import dicom_files as files
from tests.dicomweb.conftest import STUDIES, stow
from tests.helpers import audit_actions
from webportal.access.models import AccessEntry, AccessKind
from webportal.accounts.models import User
from webportal.audit.models import AuditEntry
from webportal.records.models import Patient, Radiograph, Study

AS_STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'
PLAIN = 'multipart/related; type="application/dicom"'
FRAME = "multipart/related; type=application/octet-stream; transfer-syntax=*"
PLAIN_FRAME = "multipart/related; type=application/octet-stream"
PIXELS = "7FE00010"


def jpeg_dicom(**elements: Any) -> bytes:
    """A CR image as baseline JPEG."""
    ds = files.dataset(files.phantom(), StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3.4")
    ds.file_meta.TransferSyntaxUID = uid.JPEGBaseline8Bit
    ds.PixelData = encapsulate([files.jpeg(files.phantom())])
    ds["PixelData"].is_undefined_length = True
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    return files.file_bytes(ds)


def stored(reader: APIClient, data: bytes) -> str:
    """Store a file and return the address of its instance."""
    answer = stow(reader, data)
    assert answer.status_code == 200, answer.json()
    address = answer.json()["00081199"]["Value"][-1]["00081190"]["Value"][0]
    return str(address).removeprefix("http://testserver")


def body_of(response: Any) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else response.content


def parts_of(response: Any) -> list[tuple[str, bytes]]:
    """The Content-Type and content of each part."""
    assert response.status_code in (200, 206), response.content
    media_type, parameters = parse_header_parameters(response["Content-Type"])
    assert media_type == "multipart/related"
    delimiter = f"--{parameters['boundary']}".encode()
    first, *parts, last = body_of(response).split(delimiter)
    assert (first, last) == (b"", b"--\r\n")
    found = []
    for part in parts:
        head, _, content = part.partition(b"\r\n\r\n")
        found.append((head.decode().removeprefix("\r\nContent-Type: "), content[:-2]))
    return found


def get(reader: APIClient, address: str, accept: str = "*/*", **query: Any) -> Any:
    return reader.get(address, query, headers={"accept": accept})


def opened(file: bytes) -> Dataset:
    return pydicom.dcmread(BytesIO(file))


def test_an_instance_is_sent_as_it_is_stored(reader: APIClient) -> None:
    sent: list[tuple[bytes, str]] = [
        (jpeg_dicom(), uid.JPEGBaseline8Bit),
        (files.dicom(files.phantom(seed=1)), uid.ExplicitVRLittleEndian),
    ]
    for data, syntax in sent:
        address = stored(reader, data)
        response = get(reader, address, AS_STORED)
        [(content_type, content)] = parts_of(response)
        assert content_type == f"application/dicom; transfer-syntax={syntax}"
        assert content == data
        assert response["Content-Type"].startswith('multipart/related; type="application/dicom";')
        assert parts_of(get(reader, address))[0][1] == data
    alone = get(reader, address, "application/dicom")
    assert (alone.status_code, body_of(alone)) == (200, data)
    assert alone["Content-Type"] == f"application/dicom; transfer-syntax={syntax}"


def test_studies_and_series_are_sent_whole(reader: APIClient) -> None:
    sent = [jpeg_dicom(SOPInstanceUID=f"1.2.{number}") for number in (1, 2)]
    stow(reader, *sent)
    for path in (f"{STUDIES}/1.2.3", f"{STUDIES}/1.2.3/series/1.2.3.4"):
        assert [content for _, content in parts_of(get(reader, path, AS_STORED))] == sent
    assert get(reader, f"{STUDIES}/1.2.3", "application/dicom").status_code == 406
    assert get(reader, f"{STUDIES}/1.2.9", AS_STORED).status_code == 404
    assert get(reader, f"{STUDIES}/1.2.3/series/1.2.9", AS_STORED).status_code == 404


def test_an_encoding_not_accepted_is_decompressed(reader: APIClient) -> None:
    data = jpeg_dicom()
    address, sent = stored(reader, data), opened(data)
    for accept in (PLAIN, f"{PLAIN}; transfer-syntax={uid.ExplicitVRLittleEndian}"):
        [(content_type, content)] = parts_of(get(reader, address, accept))
        assert content_type == f"application/dicom; transfer-syntax={uid.ExplicitVRLittleEndian}"
        plain = opened(content)
        assert plain.file_meta.TransferSyntaxUID == uid.ExplicitVRLittleEndian
        expected = np.asarray(Image.open(BytesIO(files.jpeg(files.phantom()))))
        assert np.array_equal(plain.pixel_array, expected)
        assert plain.SOPInstanceUID == sent.SOPInstanceUID
        assert plain.PatientID == sent.PatientID
    for syntax in (uid.JPEGLSLossless, uid.ImplicitVRLittleEndian, "1.2.3"):
        assert get(reader, address, f"{PLAIN}; transfer-syntax={syntax}").status_code == 406
    several = f"{PLAIN}; transfer-syntax={uid.JPEGLSLossless}, {AS_STORED}; q=0.5"
    assert "4.50" in parts_of(get(reader, address, several))[0][0]


@pytest.mark.parametrize("accept", ["application/dicom+xml", "image/jpeg", "application/zip"])
def test_an_unsupported_media_type_gets_406(reader: APIClient, accept: str) -> None:
    address = stored(reader, jpeg_dicom())
    assert get(reader, address, accept).status_code == 406
    assert get(reader, f"{address}/metadata", accept).status_code == 406
    assert not audit_actions(action="image.downloaded")


@pytest.mark.parametrize("syntax", [uid.ImplicitVRLittleEndian, uid.ExplicitVRBigEndian])
def test_encodings_that_are_not_for_the_web_are_converted(reader: APIClient, syntax: str) -> None:
    pixels = files.phantom(bits=12)
    ds = files.dataset(pixels, bits=12)
    ds.file_meta.TransferSyntaxUID = uid.UID(syntax)
    if syntax == uid.ExplicitVRBigEndian:
        ds.PixelData = pixels.astype(">u2").tobytes()
    address = stored(reader, files.file_bytes(ds))
    [(content_type, content)] = parts_of(get(reader, address, AS_STORED))
    assert content_type.endswith(uid.ExplicitVRLittleEndian)
    assert np.array_equal(opened(content).pixel_array, pixels)
    [(content_type, frame)] = parts_of(get(reader, f"{address}/frames/1", FRAME))
    assert content_type.endswith(uid.ExplicitVRLittleEndian)
    assert frame == pixels.astype("<u2").tobytes()


def test_a_file_without_meta_information_is_sent_with_it(reader: APIClient) -> None:
    bare = files.without_preamble(files.dicom(files.phantom(), PatientID="X"), with_meta=False)
    stow_body = files.dicom(files.phantom(), PatientID="X")
    assert images.sniff(bare) == "dicom"
    address = stored(reader, bare)
    [(_, content)] = parts_of(get(reader, address, AS_STORED))
    sent = opened(content)
    assert sent.file_meta.TransferSyntaxUID == uid.ExplicitVRLittleEndian
    assert sent.PixelData == opened(stow_body).PixelData


def test_frames_are_given_as_they_are_stored_or_plain(reader: APIClient) -> None:
    grey = files.phantom()
    address = f"{stored(reader, jpeg_dicom())}/frames/1"
    decoded = np.asarray(Image.open(BytesIO(files.jpeg(grey)))).tobytes()
    [(content_type, frame)] = parts_of(get(reader, address, FRAME))
    assert content_type == f"application/octet-stream; transfer-syntax={uid.JPEGBaseline8Bit}"
    assert frame.startswith(files.jpeg(grey)[:-2])
    [(content_type, frame)] = parts_of(get(reader, address, PLAIN_FRAME))
    assert content_type == f"application/octet-stream; transfer-syntax={uid.ExplicitVRLittleEndian}"
    assert frame == decoded
    image = f'multipart/related; type="image/jpeg"; transfer-syntax={uid.JPEGBaseline8Bit}'
    assert parts_of(get(reader, address, image))[0][0].startswith("image/jpeg; transfer-syntax=")
    assert parts_of(get(reader, address))[0][0].startswith("image/jpeg")
    alone = get(reader, address, "application/octet-stream")
    assert (alone["Content-Type"].partition(";")[0], body_of(alone)) == (
        "application/octet-stream",
        decoded,
    )
    assert get(reader, address, 'multipart/related; type="image/jp2"').status_code == 406
    odd = files.dicom(files.phantom(size=(131, 133)))  # has an odd number of pixels
    [(_, frame)] = parts_of(get(reader, f"{stored(reader, odd)}/frames/1", PLAIN_FRAME))
    assert len(frame) == 131 * 133


def test_only_frame_one_exists(reader: APIClient) -> None:
    address = stored(reader, jpeg_dicom())
    for frames, status in (("2", 404), ("0", 404), ("1,2", 404), ("one", 400), ("1,", 400)):
        assert get(reader, f"{address}/frames/{frames}", FRAME).status_code == status


@pytest.mark.parametrize(
    "address", ["", "/metadata", "/series", "/series/1/instances/1/rendered", "/thumbnail"]
)
def test_a_uid_with_a_nul_is_not_found(reader: APIClient, address: str) -> None:
    assert get(reader, f"{STUDIES}/%00{address}").status_code == 404


def test_metadata_are_the_header_without_pixels(reader: APIClient) -> None:
    data = jpeg_dicom(
        PatientName="Phantom^One",
        WindowCenter="128",
        ImageComments="x" * 3000,
        ICCProfile=bytes(2000),
        RedPaletteColorLookupTableData=bytes(8),
    )
    data = files.with_raw_element(files.dicom(files.phantom()), "KVP", "DS", b"very high ")
    broken = stored(reader, data)
    address = stored(reader, jpeg_dicom(ICCProfile=bytes(2000), WindowCenter="128"))
    [found] = get(reader, f"{address}/metadata", "application/dicom+json").json()
    assert found["00100010"]["Value"] == [{"Alphabetic": "Phantom^One"}]
    assert found["00281050"] == {"vr": "DS", "Value": [128]}
    assert found[PIXELS] == {"vr": "OB", "BulkDataURI": f"http://testserver{address}/frames/1"}
    assert found["00083002"]["Value"] == [uid.JPEGBaseline8Bit]
    assert "00020010" not in found
    profile = found["00282000"]["BulkDataURI"]
    assert profile == f"http://testserver{address}/bulkdata/00282000"
    [(_, content)] = parts_of(get(reader, profile, "*/*"))
    assert content == bytes(2000)
    assert get(reader, f"{address}/bulkdata/00100010").status_code == 404
    assert get(reader, f"{address}/bulkdata/x").status_code == 404
    [readable] = get(reader, f"{broken}/metadata").json()
    assert "00180060" not in readable  # breaks the rules of its VR; the others are kept
    assert readable["00280010"]["Value"] == [160]
    assert len(get(reader, f"{STUDIES}/1.2.3/metadata").json()) == 1
    assert len(get(reader, f"{STUDIES}/1.2.3/series/1.2.3.4/metadata").json()) == 1


def test_retrieved_files_carry_the_recorded_identity(reader: APIClient, radiologist: User) -> None:
    address = stored(
        reader, jpeg_dicom(PatientAge="054Y", OtherPatientIDs="OTHER", PatientComments="Hers")
    )
    radiograph = Radiograph.objects.get()
    somebody = Patient.objects.create(
        patient_id="RIGHT", issuer="TOWN", name="चित्र^बिमल", birth_date=date(2020, 2, 29), sex="M"
    )
    Study.objects.update(patient=somebody, accession_number="CORRECTED")
    file = radiograph.dicom_key
    [(_, content)] = parts_of(get(reader, address, AS_STORED))
    sent = opened(content)
    assert (sent.PatientID, sent.IssuerOfPatientID, sent.PatientSex) == ("RIGHT", "TOWN", "M")
    assert (str(sent.PatientName), sent.PatientBirthDate) == ("चित्र^बिमल", "20200229")
    assert sent.AccessionNumber == "CORRECTED"
    assert sent.SpecificCharacterSet == "ISO_IR 192"
    assert not {"PatientAge", "OtherPatientIDs", "PatientComments"} & set(sent.dir())
    assert sent.PixelData == opened(jpeg_dicom()).PixelData
    assert sent.file_meta.TransferSyntaxUID == uid.JPEGBaseline8Bit
    [described] = get(reader, f"{address}/metadata").json()
    assert described["00100020"]["Value"] == ["RIGHT"]
    assert "00101010" not in described
    with default_storage.open(file) as stored_file:
        assert opened(stored_file.read()).PatientID == "PHANTOM-1"


def test_a_corrected_study_date_is_that_of_the_file_sent(reader: APIClient) -> None:
    data = jpeg_dicom(StudyDate="20240301", StudyTime="101500.25")
    address = stored(reader, data)
    assert parts_of(get(reader, address, AS_STORED))[0][1] == data
    zone = timezone.get_current_timezone()
    for at, day, moment in (
        (datetime(2024, 3, 4, 8, 30, tzinfo=zone), "20240304", "083000"),
        (datetime(2024, 3, 4, tzinfo=zone), "20240304", ""),
        (None, "", ""),
    ):
        Study.objects.update(performed_at=at)
        sent = opened(parts_of(get(reader, address, AS_STORED))[0][1])
        assert (sent.StudyDate, sent.StudyTime) == (day, moment)
        [found] = reader.get(f"{STUDIES}?includefield=StudyTime").json()
        assert found["00080020"].get("Value", [""]) == [day]
        assert found["00080030"].get("Value", [""]) == [moment]


def test_each_image_that_is_sent_is_recorded(reader: APIClient, radiologist: User) -> None:
    address = stored(reader, jpeg_dicom())
    radiograph = Radiograph.objects.get()
    for path in ("", "/frames/1", "/rendered", "/thumbnail"):
        assert get(reader, f"{address}{path}").status_code == 200
    get(reader, f"{address}/metadata")
    entries = AuditEntry.objects.filter(action="image.downloaded").order_by("sequence")
    assert [(each.object_id, each.detail["file"]) for each in entries] == [
        (str(radiograph.pk), kind) for kind in ("dicom", "frame", "rendered", "thumbnail")
    ]
    assert audit_actions(action="study.viewed") == ["study.viewed"]
    shown = AccessEntry.objects.filter(method="GET").order_by("id")
    assert [each.kind for each in shown] == [
        AccessKind.EXPORT,
        AccessKind.IMAGE,
        AccessKind.IMAGE,
        AccessKind.IMAGE,
        AccessKind.STUDY,
    ]
    assert all(each.study_ids == [radiograph.study_id] for each in shown)


def test_a_damaged_file_is_left_out_and_the_others_are_sent(reader: APIClient) -> None:
    stow(reader, *(jpeg_dicom(SOPInstanceUID=f"1.2.{number}") for number in (1, 2)))
    first = Radiograph.objects.order_by("created_at")[0]
    with default_storage.open(first.dicom_key, "wb") as file:
        file.write(b"damaged")
    response = get(reader, f"{STUDIES}/1.2.3", AS_STORED)
    assert (response.status_code, len(parts_of(response))) == (206, 1)
    assert "1 instances cannot be sent" in response["Warning"]
    alone = get(reader, f"{STUDIES}/1.2.3/series/1.2.3.4/instances/1.2.1", AS_STORED)
    assert (alone.status_code, alone.json()["type"]) == (500, "urn:chestline:problem:file-damaged")
    assert get(reader, f"{STUDIES}/1.2.3/metadata").status_code == 500


def picture(response: Any) -> Image.Image:
    assert response.status_code == 200, response.content
    return Image.open(BytesIO(response.content))


def test_images_are_rendered_as_asked(reader: APIClient) -> None:
    pixels = files.phantom(bits=12)
    address = stored(reader, files.dicom(pixels, bits=12)) + "/rendered"
    usual = get(reader, address)
    assert usual["Content-Type"] == "image/jpeg"
    assert picture(usual).size == (136, 160)
    png = get(reader, address, "image/png", window="1000,500,linear")
    greys = np.asarray(picture(png)).astype(float)
    expected = np.clip((pixels.astype(float) - 999.5) / 499 + 0.5, 0, 1) * 255
    assert np.abs(greys - expected).max() <= 1
    assert picture(get(reader, address, viewport="68,500")).size == (68, 80)
    part = picture(get(reader, address, "image/png", viewport="10,10,0,0,20,20"))
    assert part.size == (10, 10)
    assert len(get(reader, address, quality="10").content) < len(usual.content)
    small = picture(get(reader, address.replace("rendered", "thumbnail"), viewport="40,40"))
    assert small.size == (34, 40)
    frame = address.replace("rendered", "frames/1/rendered")
    assert picture(get(reader, frame)).size == (136, 160)
    assert get(reader, address, "image/gif").status_code == 406
    for wrong in (
        {"window": "1000"},
        {"window": "a,b,linear"},
        {"window": "1,0,linear"},
        {"window": "nan,5,linear"},
        {"window": "1,5,sigmoid"},
        {"viewport": "0,10"},
        {"viewport": "10,10,500,500,5,5"},
        {"quality": "101"},
        {"annotation": "patient"},
        {"colour": "red"},
    ):
        assert get(reader, address, **wrong).status_code == 400, wrong
