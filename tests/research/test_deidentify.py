"""What is left of an image in an export."""

import struct
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom import uid
from pydicom._dicom_dict import DicomDictionary
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from tests import dicom_files
from webportal.research import profile
from webportal.research.deidentify import Deidentifier, LeftOutError, as_file

#: As a name, as a number, and as a date would be planted.
NAME = "LAMPRECHT"
CANARIES = (b"LAMPRECHT", b"Lamprecht", b"47114711", b"19710203", b"L\0A\0M\0P\0R")
_TEXTS = ("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT")
_VALUES: dict[str, Any] = {
    **dict.fromkeys(_TEXTS, NAME),
    **dict.fromkeys(("OB", "OD", "OF", "OL", "OV", "OW", "UN"), NAME.encode() * 8),
    **dict.fromkeys(("DS", "IS"), "47114711"),
    **dict.fromkeys(("SL", "UL"), int.from_bytes(b"LAMP", "little")),
    **dict.fromkeys(("SV", "UV"), int.from_bytes(b"LAMPRECH", "little")),
    **dict.fromkeys(("SS", "US"), int.from_bytes(b"LA", "little")),
    "FL": struct.unpack("<f", b"LAMP")[0],
    "FD": struct.unpack("<d", b"LAMPRECH")[0],
    "AS": "047Y",
    "AT": Tag(0x4C41, 0x4D50),
    "DA": "19710203",
    "DT": "19710203101112",
    "TM": "101112",
    "UI": "1.2.47114711",
}


def planted(**elements: Any) -> Dataset:
    """An image with the name in every VR: at the top, in a nested sequence, and in private ones."""
    elements = {"BurnedInAnnotation": "NO"} | elements
    ds = dicom_files.dataset(dicom_files.phantom(12), bits=12, **elements)
    for item in (ds, nested := Dataset(), deeper := Dataset()):
        _plant(item)
    nested.add_new(Tag("RequestAttributesSequence"), "SQ", Sequence([deeper]))
    ds.add_new(Tag("ReferencedStudySequence"), "SQ", Sequence([nested]))
    ds.add_new(Tag("ViewCodeSequence"), "SQ", Sequence([nested]))
    block = ds.private_block(0x0029, NAME, create=True)
    for number, (vr, value) in enumerate(_VALUES.items()):
        block.add_new(number, vr, value)
    block.add_new(0xF0, "SQ", Sequence([nested]))
    # Where nobody would look: overlays, curves, unknown groups, the end of the data set.
    ds.add_new(0x60003000, "OW", NAME.encode() * 2)
    ds.add_new(0x60004000, "LT", NAME)
    ds.add_new(0x50002500, "LO", NAME)
    ds.add_new(0x88880008, "LO", NAME)
    ds.add_new(0xFFFCFFFC, "OB", NAME.encode() * 2)
    ds.PatientName, ds.PatientID, ds.PatientBirthDate = f"{NAME}^Anna", "47114711", "19710203"
    return ds


def _plant(ds: Dataset) -> None:
    """One attribute of each VR that the standard has; those that are kept in particular."""
    seen: set[str] = set()
    kept = {Tag(keyword) for keyword in (*profile.NUMBERS, *profile.VALUES)}
    for number, (vr, *_) in sorted(DicomDictionary.items()):
        tag = Tag(number)
        if tag.group < 8 or tag in ds or tag.group == 0x7FE0 or vr not in _VALUES:
            continue
        if vr in seen and tag not in kept:
            continue
        if tag in kept and vr not in _TEXTS:
            continue
        seen.add(vr)
        ds.add(DataElement(tag, vr, _VALUES[vr], validation_mode=pydicom.config.IGNORE))
    assert seen == set(_VALUES)


def as_bytes(ds: Dataset) -> bytes:
    """The file, with the name in its preamble, its meta information and after its pixels."""
    ds.file_meta.SourceApplicationEntityTitle = NAME
    ds.file_meta.PrivateInformationCreatorUID = uid.UID("1.2.47114711")
    ds.file_meta.PrivateInformation = NAME.encode() + b" "
    data = dicom_files.file_bytes(ds)
    return NAME.encode().ljust(128) + data[128:]


def deidentified(data: bytes, *, with_unstated: bool = False) -> bytes:
    return as_file(Deidentifier(with_unstated=with_unstated).deidentify(data, "P0001"))


def assert_nothing_is_left(data: bytes) -> None:
    for canary in CANARIES:
        assert canary not in data
    assert b"LAMP" not in data


def test_a_name_in_every_vr_is_gone() -> None:
    before = planted()
    data = as_bytes(before)
    assert data.count(NAME.encode()) > 50
    after = deidentified(data)
    assert_nothing_is_left(after)
    ds = pydicom.dcmread(BytesIO(after))
    assert np.array_equal(ds.pixel_array, pydicom.dcmread(BytesIO(data)).pixel_array)
    allowed = {"SOPClassUID", "PatientID", "PatientName", "PixelData", "PatientIdentityRemoved"}
    allowed |= {"DeidentificationMethod", "DeidentificationMethodCodeSequence"}
    allowed |= {"LongitudinalTemporalInformationModified", *profile.REPLACED, *profile.EMPTY}
    assert {each.keyword for each in ds} <= allowed | {*profile.NUMBERS, *profile.VALUES}
    assert ds.PatientIdentityRemoved == "YES"
    assert ds.PatientID == "P0001"
    assert ds.DeidentificationMethodCodeSequence[0].CodeValue == "113100"
    assert ds.DeidentificationMethod.endswith(profile.VERSION)


def test_what_says_how_to_show_the_image_stays() -> None:
    shown = {
        "ImageType": ["ORIGINAL", "PRIMARY", ""],
        "ViewPosition": "PA",
        "PixelSpacing": ["0.1430", "0.1430"],
        "WindowCenter": "2048",
        "WindowWidth": ["4096"],
        "PatientOrientation": ["L", "F"],
        "PresentationIntentType": "FOR PRESENTATION",
    }
    data = dicom_files.dicom(dicom_files.phantom(12), 12, BurnedInAnnotation="NO", **shown)
    ds = pydicom.dcmread(BytesIO(deidentified(data)))
    assert list(ds.ImageType) == ["ORIGINAL", "PRIMARY"]
    assert [float(each) for each in ds.PixelSpacing] == [0.143, 0.143]
    assert (ds.ViewPosition, ds.WindowCenter, ds.WindowWidth) == ("PA", 2048, 4096)
    assert list(ds.PatientOrientation) == ["L", "F"]
    assert (ds.Rows, ds.Columns, ds.BitsStored) == (*dicom_files.SIZE, 12)


def test_an_image_of_cr_has_what_its_iod_demands(tmp_path: Path) -> None:
    file = tmp_path / "image.dcm"
    file.write_bytes(
        deidentified(dicom_files.dicom(dicom_files.phantom(), BurnedInAnnotation="NO"))
    )
    dciodvfy = Path(sys.executable).with_name("dciodvfy")
    done = subprocess.run([dciodvfy, "-new", file], check=False, capture_output=True, text=True)
    assert (done.returncode, "Error" in done.stdout + done.stderr) == (0, False), done.stderr


def test_uids_are_new_and_the_same_within_an_export() -> None:
    data = [
        dicom_files.dicom(
            dicom_files.phantom(seed=seed), StudyInstanceUID="1.2.3", BurnedInAnnotation="NO"
        )
        for seed in (1, 2)
    ]
    export = Deidentifier(with_unstated=False)
    one, two = (export.deidentify(each, "P0001") for each in data)
    assert one.StudyInstanceUID == two.StudyInstanceUID == export.uid_for("1.2.3") != "1.2.3"
    assert one.SOPInstanceUID != two.SOPInstanceUID
    again = Deidentifier(with_unstated=False).deidentify(data[0], "P0001")
    assert again.StudyInstanceUID != one.StudyInstanceUID


def test_nothing_rides_along_in_a_compressed_frame() -> None:
    pixels = dicom_files.phantom()
    frame = dicom_files.jpeg(pixels, comment=NAME.encode())
    ds = planted()
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit = 7
    ds.file_meta.TransferSyntaxUID = uid.JPEGBaseline8Bit
    ds.PixelData = encapsulate([frame])
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    data = as_bytes(ds)
    assert frame in data
    after = deidentified(data)
    assert_nothing_is_left(after)
    read = pydicom.dcmread(BytesIO(after))
    assert read.file_meta.TransferSyntaxUID == uid.ExplicitVRLittleEndian
    assert np.array_equal(read.pixel_array, pydicom.dcmread(BytesIO(data)).pixel_array)


def test_nothing_rides_along_behind_the_pixels() -> None:
    ds = planted()
    ds.PixelData += NAME.encode() * 2
    assert_nothing_is_left(deidentified(as_bytes(ds)))


@pytest.mark.parametrize(
    ("elements", "code"),
    [
        ({"BurnedInAnnotation": "YES"}, "burned_in"),
        ({"BurnedInAnnotation": "MAYBE"}, "burned_in"),
        ({"BurnedInAnnotation": None}, "not_stated"),
        ({"RecognizableVisualFeatures": "YES"}, "recognisable"),
        ({"SOPClassUID": uid.CTImageStorage}, "kind"),
        ({"NumberOfFrames": 2}, "kind"),
        ({"Modality": "LAMPRECHT"}, "kind"),
        ({"StudyInstanceUID": ""}, "unreadable"),
        ({"Rows": 4000}, "unreadable"),
    ],
)
def test_what_cannot_be_vouched_for_is_left_out(elements: dict[str, Any], code: str) -> None:
    elements = {"BurnedInAnnotation": "NO"} | elements
    data = dicom_files.dicom(dicom_files.phantom(), **elements)
    with pytest.raises(LeftOutError) as caught:
        deidentified(data)
    assert caught.value.code == code


def test_images_that_do_not_say_whether_text_is_burnt_in_go_out_only_when_asked_for() -> None:
    data = dicom_files.dicom(dicom_files.phantom())
    assert "BurnedInAnnotation" not in pydicom.dcmread(
        BytesIO(deidentified(data, with_unstated=True))
    )
    capture = dicom_files.with_elements(data, SOPClassUID=uid.SecondaryCaptureImageStorage)
    with pytest.raises(LeftOutError, match="not_stated"):
        deidentified(capture, with_unstated=True)


def test_an_overlay_in_the_bits_of_the_pixels_is_left_out() -> None:
    ds = dicom_files.dataset(dicom_files.phantom(12), bits=12, BurnedInAnnotation="NO")
    mask = np.zeros(dicom_files.SIZE, bool)
    mask[5:9, 5:50] = True
    dicom_files.embed_overlay(ds, mask, bit=14)
    with pytest.raises(LeftOutError, match="hidden_bits"):
        deidentified(dicom_files.file_bytes(ds))


def test_text_in_the_pixels_is_found_whatever_the_header_says() -> None:
    pixels = dicom_files.with_text(dicom_files.phantom(12, (600, 500)), "DOE^JANE", 24, 4095)
    signed = pixels.astype(np.int16) - 2048
    colours = np.repeat((pixels >> 4).astype(np.uint8)[:, :, None], 3, axis=2)
    for data in (
        dicom_files.dicom(pixels, 12, BurnedInAnnotation="NO"),
        dicom_files.dicom(signed, 12, BurnedInAnnotation="NO"),
        dicom_files.dicom(colours, BurnedInAnnotation="NO"),
        dicom_files.dicom(
            colours,
            BurnedInAnnotation="NO",
            PlanarConfiguration=1,
            PixelData=colours.transpose(2, 0, 1).tobytes(),
        ),
        dicom_files.compressed(
            dicom_files.dicom(pixels, 12, BurnedInAnnotation="NO"), "JPEGLosslessProcess14_1"
        ),
    ):
        with pytest.raises(LeftOutError, match="text"):
            deidentified(data)


def test_signed_pixels_are_no_hidden_ones() -> None:
    pixels = dicom_files.phantom(12).astype(np.int16) - 2048
    data = dicom_files.dicom(pixels, 12, BurnedInAnnotation="NO")
    after = pydicom.dcmread(BytesIO(deidentified(data)))
    assert np.array_equal(after.pixel_array, pixels)


def test_a_damaged_element_is_dropped_and_the_image_stays() -> None:
    data = dicom_files.dicom(dicom_files.phantom(), BurnedInAnnotation="NO")
    data = dicom_files.with_raw_element(data, "ExposureTime", "IS", b"LAMPRECHT ")
    assert_nothing_is_left(deidentified(data))
