"""The conformance statement says what is sent by FHIR."""

from pathlib import Path

from webportal.delivery.conformance import fill_in

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "dicom.md"


def test_the_document_has_the_current_tables() -> None:
    text = DOCUMENT.read_text()
    assert fill_in(text) == text, "make conformance"
