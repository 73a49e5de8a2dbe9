"""The conformance statement matches what the listener reads."""

from pathlib import Path

from webportal.orders.conformance import fill_in

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "orders.md"


def test_the_document_has_the_current_tables() -> None:
    text = DOCUMENT.read_text()
    assert fill_in(text) == text, "make conformance"
