"""The conformance statement matches what the code negotiates."""

from pathlib import Path

from pytest_django.fixtures import Settings

from webportal.network.conformance import fill_in
from webportal.network.sop_classes import OTHERS, offered

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "dicom.md"


def test_the_document_has_the_current_tables() -> None:
    text = DOCUMENT.read_text()
    assert fill_in(text) == text, "make conformance"


def test_reports_are_offered_only_if_they_are_kept(settings: Settings) -> None:
    settings.DICOM_OTHER_OBJECTS = "refuse"
    refused = {sop_class for sop_class, _ in offered()}
    settings.DICOM_OTHER_OBJECTS = "keep"
    kept = {sop_class for sop_class, _ in offered()}
    assert kept - refused == set(OTHERS)
