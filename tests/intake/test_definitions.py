"""Instances made from JPEG and PNG are as their definition (IOD) demands."""

import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from tests import dicom_files as files
from webportal.intake.checks import wrapping

DCIODVFY = Path(sys.executable).with_name("dciodvfy")


@pytest.mark.parametrize(
    "data",
    [
        files.jpeg(files.phantom()),
        files.jpeg(files.phantom(), "RGB"),
        files.png(files.phantom()),
        files.png(files.phantom(bits=16)),
    ],
    ids=["grey JPEG", "colour JPEG", "PNG", "deep PNG"],
)
def test_a_wrapped_image_has_what_its_iod_demands(data: bytes, tmp_path: Path) -> None:
    header = wrapping.Header(
        patient_id="P-1",
        patient_name="चित्र^बिमल",
        issuer_of_patient_id="TOWN",
        patient_birth_date=date(2020, 2, 29),
        patient_sex="F",
        study_instance_uid="1.2.3",
        accession_number="A1",
        study_date=date(2026, 5, 1),
    )
    file = tmp_path / "wrapped.dcm"
    file.write_bytes(wrapping.wrap(data, header, "ab" * 32))
    # dicom3tools, which people trust to find what is wrong with a file.
    done = subprocess.run(
        [DCIODVFY, "-new", file], check=False, capture_output=True, text=True, errors="replace"
    )
    assert (done.returncode, "Error" in done.stdout + done.stderr) == (0, False), done.stderr
