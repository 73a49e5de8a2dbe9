"""dicomweb-client, a library of others, stores, searches and retrieves."""

import io

import numpy as np
import pydicom
import pytest
from dicomweb_client import DICOMwebClient
from PIL import Image
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate

from tests import dicom_files as files
from tests.peers.conftest import Portal
from webportal.audit.models import AuditEntry
from webportal.records.models import Radiograph

STUDY, SERIES = "1.2.3", "1.2.3.4"


def an_image(number: int, size: tuple[int, int] = files.SIZE) -> Dataset:
    return files.dataset(
        files.phantom(bits=12, size=size, seed=number),
        bits=12,
        StudyInstanceUID=STUDY,
        SeriesInstanceUID=SERIES,
        SOPInstanceUID=f"1.2.3.4.{number}",
        InstanceNumber=number,
        StudyDescription="Chest",
    )


def a_jpeg(number: int) -> Dataset:
    ds = files.dataset(
        files.phantom(seed=number),
        StudyInstanceUID=STUDY,
        SeriesInstanceUID=SERIES,
        SOPInstanceUID=f"1.2.3.4.{number}",
        InstanceNumber=number,
    )
    ds.file_meta.TransferSyntaxUID = uid.JPEGBaseline8Bit
    ds.PixelData = encapsulate([files.jpeg(files.phantom(seed=number))])
    ds["PixelData"].is_undefined_length = True
    return ds


def complete(ds: Dataset) -> Dataset:
    """The same as read from a file."""
    return pydicom.dcmread(io.BytesIO(files.file_bytes(ds)))


@pytest.fixture
def client(portal: Portal) -> DICOMwebClient:
    return DICOMwebClient(portal.root, headers=portal.headers, timeout=90)


def test_images_are_stored_searched_and_retrieved(client: DICOMwebClient, portal: Portal) -> None:
    # The third one makes the body longer than the client sends in one piece: it comes in chunks.
    sent = [complete(each) for each in (an_image(1), a_jpeg(2), an_image(3, (900, 800)))]
    answer = client.store_instances(sent)
    assert [each.ReferencedSOPInstanceUID for each in answer.ReferencedSOPSequence] == [
        each.SOPInstanceUID for each in sent
    ]
    assert answer.RetrieveURL == f"{portal.root}/studies/{STUDY}"
    assert Radiograph.objects.count() == 3

    [study] = client.search_for_studies(
        search_filters={"PatientName": "Phantom^*", "StudyDate": "20240101-20241231"},
        fields=["StudyDescription", "00080061"],
        limit=101,
        fuzzymatching=False,
    )
    found = Dataset.from_json(study)
    assert (found.StudyInstanceUID, found.NumberOfStudyRelatedInstances) == (STUDY, 3)
    assert (found.PatientID, found.ModalitiesInStudy) == ("PHANTOM-1", "CR")
    [series] = client.search_for_series(STUDY)
    assert Dataset.from_json(series).NumberOfSeriesRelatedInstances == 3
    assert len(client.search_for_instances(STUDY, SERIES)) == 3
    assert client.search_for_studies(search_filters={"PatientID": "nobody"}) == []

    as_stored = (("application/dicom", "*"),)
    whole = client.retrieve_study(STUDY, media_types=as_stored)
    assert [files.file_bytes(each) for each in whole] == [files.file_bytes(each) for each in sent]
    jpeg = client.retrieve_instance(STUDY, SERIES, "1.2.3.4.2")
    assert jpeg.file_meta.TransferSyntaxUID == uid.JPEGBaseline8Bit
    plain = client.retrieve_instance(
        STUDY,
        SERIES,
        "1.2.3.4.2",
        media_types=(("application/dicom", uid.ExplicitVRLittleEndian),),
    )
    assert np.array_equal(plain.pixel_array, jpeg.pixel_array)

    described = [Dataset.from_json(each) for each in client.retrieve_study_metadata(STUDY)]
    assert [each.InstanceNumber for each in described] == [1, 2, 3]
    assert len(client.retrieve_series_metadata(STUDY, SERIES)) == 3
    one = client.retrieve_instance_metadata(STUDY, SERIES, "1.2.3.4.1")
    assert one["7FE00010"]["BulkDataURI"].endswith("/frames/1")

    [frame] = client.retrieve_instance_frames(STUDY, SERIES, "1.2.3.4.1", [1])
    assert frame == sent[0].PixelData
    [compressed] = client.retrieve_instance_frames(
        STUDY, SERIES, "1.2.3.4.2", [1], media_types=(("image/jpeg", uid.JPEGBaseline8Bit),)
    )
    assert Image.open(io.BytesIO(compressed)).size == files.SIZE[::-1]
    # The client leaves the port out of its Host header, from which the address is made.
    address = portal.root + one["7FE00010"]["BulkDataURI"].partition("/dicom-web")[2]
    assert client.retrieve_bulkdata(address) == [frame]
    for media_types in (("image/png",), ("image/jpeg",)):
        rendered = client.retrieve_instance_rendered(
            STUDY, SERIES, "1.2.3.4.1", media_types=media_types
        )
        assert Image.open(io.BytesIO(rendered)).size == files.SIZE[::-1]
    assert AuditEntry.objects.filter(action="image.downloaded").count() == 3 + 2 + 3 + 2
    # The server's log names no patient, whatever was searched for.
    log = portal.server.log.read_text()
    assert "Phantom" not in log
    assert "PHANTOM" not in log
