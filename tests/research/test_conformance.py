"""The lists in docs/research.md are those of the code."""

from pathlib import Path

from webportal.research.conformance import fill_in

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "research.md"


def test_the_lists_are_those_of_the_code() -> None:
    text = DOCUMENT.read_text()
    assert fill_in(text) == text, "make conformance"
