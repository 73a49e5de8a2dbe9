"""What the page of a held file does about each reason for holding one."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from webportal.reasons import Reason
from webportal.records.identity import KEYWORDS

#: The row of the page in which an attribute of the file is shown.
ROWS = {keyword: name for name, keyword in KEYWORDS.items()} | {"AccessionNumber": "study"}


@dataclass(frozen=True)
class Held:
    """How a person resolves a file that is held for one reason.

    `is_corrected`: usually by correcting its values, so that the form for this is open; `is_alike`:
    other files of the patient, held for the same reason, may then be corrected likewise, which is
    never so for dates, because each study has its own; `marks`: the rows that are in doubt, beside
    those that differ from the record.
    """

    is_corrected: bool = False
    is_alike: bool = False
    marks: frozenset[str] = field(default_factory=frozenset)


_DATE_OF_STUDY = Held(is_corrected=True, marks=frozenset({"study"}))
#: By code, or by `code.variant` if the variants of a code are resolved differently.
HELD = {
    "bikram_sambat": _DATE_OF_STUDY,
    "bikram_sambat.birth": Held(is_corrected=True, marks=frozenset({"birth_date"})),
    "birth_date_unreadable": Held(
        is_corrected=True, is_alike=True, marks=frozenset({"birth_date"})
    ),
    "dates_contradict": Held(is_corrected=True, marks=frozenset({"birth_date", "study"})),
    "dates_contradict.birth": Held(is_corrected=True, marks=frozenset({"birth_date"})),
    "instance_exists": Held(),
    # The attributes themselves are marked.
    "letters_in_doubt": Held(is_corrected=True, is_alike=True),
    "no_identifier": Held(is_corrected=True, marks=frozenset({"patient_id"})),
    # The values that differ are marked.
    "patient_mismatch": Held(is_alike=True),
    "study_date_in_future": _DATE_OF_STUDY,
    "study_mismatch": Held(marks=frozenset({"study"})),
}


def held_for(reason: Reason) -> Held:
    """How a file held for this reason is resolved; one of an earlier release marks nothing."""
    key = f"{reason.code}.{reason.params.get('variant')}"
    return HELD.get(key) or HELD.get(reason.code) or Held()


def rows_of(attributes: Iterable[str]) -> set[str]:
    """The rows in which these attributes of a file are shown."""
    return {ROWS[each] for each in attributes}
