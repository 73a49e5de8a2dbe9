"""The conformance statement says what the code does."""

from pathlib import Path

from pydicom import uid

from ml.images.parsing import NATIVE, TRANSFER_SYNTAXES
from webportal.dicomweb.conformance import fill_in
from webportal.dicomweb.negotiation import FRAME_TYPES

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "dicom.md"


def test_the_document_has_the_present_tables() -> None:
    text = DOCUMENT.read_text()
    assert fill_in(text) == text, "make conformance"


def test_every_compression_that_is_stored_has_a_media_type() -> None:
    assert set(FRAME_TYPES) == TRANSFER_SYNTAXES - NATIVE
    assert uid.ExplicitVRLittleEndian in NATIVE
