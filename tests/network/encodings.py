"""Images in every transfer syntax that intake reads, and storescu sending each in its own."""

import re
import subprocess
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
from pydicom import uid
from pydicom.encaps import encapsulate

from tests import dicom_files as files
from tests.jpeg_files import extended_jpeg
from webportal.network.sop_classes import IMAGE_SYNTAXES

#: The names of what GDCM compresses.
_BY_GDCM = {
    uid.JPEGLossless: "JPEGLosslessProcess14",
    uid.JPEGLosslessSV1: "JPEGLosslessProcess14_1",
    uid.JPEGLSLossless: "JPEGLSLossless",
    uid.JPEGLSNearLossless: "JPEGLSNearLossless",
    uid.JPEG2000Lossless: "JPEG2000Lossless",
    uid.JPEG2000: "JPEG2000",
    uid.RLELossless: "RLELossless",
}
IMAGES_PER_STUDY = 12
_SENT = re.compile(r"Sending file: (\S+).*?Received Store Response \((.*?)\)", re.DOTALL)


def image(syntax: uid.UID, seed: int = 0) -> bytes:
    """A CR image in a transfer syntax that intake reads."""
    pixels = files.phantom(seed=seed)
    if syntax == uid.JPEGBaseline8Bit:
        return files.encapsulated_jpeg(files.jpeg(pixels), pixels)
    if syntax == uid.JPEGExtended12Bit:
        deep = files.phantom(12, seed=seed)
        ds = files.dataset(deep, 12)
        ds.file_meta.TransferSyntaxUID = syntax
        ds.PixelData = encapsulate([extended_jpeg(deep)])
        ds["PixelData"].VR = "OB"
        ds["PixelData"].is_undefined_length = True
        return files.file_bytes(ds)
    if syntax in _BY_GDCM:
        return files.compressed(files.dicom(pixels), _BY_GDCM[syntax])
    return files.in_byte_order(files.dicom(pixels), syntax)


def write_images(folder: Path, count: int) -> list[Path]:
    """Write `count` files, twelve to a study, cycling through the transfer syntaxes."""
    folder.mkdir()
    encoded = [image(syntax, seed) for seed, syntax in enumerate(IMAGE_SYNTAXES)]
    paths = []
    for number in range(count):
        study = f"1.2.826.0.1.{number // IMAGES_PER_STUDY}"
        own: dict[str, Any] = {
            "StudyInstanceUID": study,
            "SeriesInstanceUID": f"{study}.1",
            "SOPInstanceUID": f"{study}.1.{number}",
            "InstanceNumber": number,
        }
        paths.append(folder / f"{number}.dcm")
        paths[-1].write_bytes(files.with_elements(encoded[number % len(encoded)], **own))
    return paths


def instance_of(path: Path) -> str:
    """The SOP Instance UID of a file."""
    return str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID)


def data_set(file: bytes) -> bytes:
    """The encoded data set of a DICOM file: all but its File Meta Information."""
    meta = pydicom.dcmread(BytesIO(file), stop_before_pixels=True).file_meta
    return file[144 + meta.FileMetaInformationGroupLength :]


def write_profile(folder: Path) -> Path:
    """A configuration of storescu: a presentation context for each transfer syntax."""
    syntaxes = [f"[Syntax{n}]\nTransferSyntax1 = {each}" for n, each in enumerate(IMAGE_SYNTAXES)]
    contexts = [
        f"PresentationContext{n + 1} = {uid.ComputedRadiographyImageStorage}\\Syntax{n}"
        for n in range(len(IMAGE_SYNTAXES))
    ]
    path = folder / "storescu.cfg"
    path.write_text(
        "\n".join(
            [
                *("[[TransferSyntaxes]]", *syntaxes),
                *("[[PresentationContexts]]", "[Images]", *contexts),
                *("[[Profiles]]", "[Images]", "PresentationContexts = Images", ""),
            ]
        )
    )
    return path


class Sending:
    """Background storescu processes, one association each."""

    def __init__(self, port: int, profile: Path, paths: Sequence[Path], associations: int) -> None:
        command = ["storescu", "-v", "-xf", str(profile), "Images", "-aet", "CR1"]
        command += ["-aec", "CHESTLINE", "127.0.0.1", str(port)]
        self._processes = [
            subprocess.Popen(
                [*command, *map(str, paths[number::associations])],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for number in range(associations)
        ]

    def confirmed(self) -> list[Path]:
        """Wait for the end; the files that were answered with success."""
        outputs = [process.communicate()[0] for process in self._processes]
        return [
            Path(path)
            for output in outputs
            for path, answer in _SENT.findall(output)
            if answer == "Success"
        ]
