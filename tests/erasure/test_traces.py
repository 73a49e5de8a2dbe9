"""By which words a patient is recognised."""

import pytest

from webportal.erasure.traces import Traces
from webportal.records.models import Patient


def traces(*identifiers: str) -> Traces:
    names = frozenset({"quux", "zoe"})
    return Traces(names, frozenset(identifiers), Patient(), frozenset(), is_only=True)


@pytest.mark.parametrize(
    ("identifier", "text", "is_in", "is_surely_in"),
    [
        ("zz-9981", "a ZZ-9981 b.dcm", True, True),
        ("zz-9981", "a ZZ-99810 b.dcm", False, False),
        ("zz-9981", "zz-9981 zoe", True, True),
        ("2025", "scan 2025.dcm", False, False),
        ("20250304", "20250304.dcm", False, False),
        ("123456789", "123456789.dcm", True, True),
        ("15", "page 15", False, False),
        ("15", "15", True, True),
        ("15", "15 Zoe", True, True),
        ("15", "16 Zoe", True, False),
        ("15", "Zoe Quux", True, True),
        ("a1", "a1.dcm", False, False),
    ],
)
def test_what_may_be_a_date_or_a_page_is_no_identifier_by_itself(
    identifier: str, text: str, is_in: bool, is_surely_in: bool
) -> None:
    known = traces(identifier)
    assert (known.are_in(text), known.are_surely_in(text)) == (is_in, is_surely_in)
