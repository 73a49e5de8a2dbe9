"""The tables of the conformance statement (docs/orders.md), from what the listener reads."""

from pydicom.tag import Tag

from webportal.orders import reading
from webportal.orders.hl7 import CHARACTER_SETS
from webportal.orders.modality_worklist import PRIORITIES as WORKLIST_PRIORITIES
from webportal.orders.modality_worklist import RETURNED
from webportal.orders.models import AccessionIn
from webportal.records.choices import Priority

BEGIN, END = "<!-- generated: begin -->", "<!-- generated: end -->"

_FIELDS = (
    ("MSH-7", "when the message was written; required. Decides which of two messages is the later"),
    ("MSH-10", "control ID; required, at most 199 characters"),
    ("MSH-15", "AL, ER or SU: the acknowledgement has the codes CA, CE and CR (enhanced mode)"),
    ("PID-3", "the patient's identifiers, with the namespace of the assigning authority; required"),
    ("PID-5, PID-7, PID-8", "name, date of birth, sex"),
    ("PV1-8, ORC-12, OBR-16", "the referring clinician: the first of these that is filled"),
    ("ORC-1, ORC-5", "order control; a status of CA or DC cancels, too"),
    ("ORC-2 or OBR-2", "placer's number: tells orders with the same accession number apart"),
    ("ORC-3 or OBR-3", "filler's number"),
    ("OBR-4", "requested procedure: code and text"),
    ("OBR-13", "relevant clinical information: *History* in the case record"),
    ("OBR-31", "reason for the study: *Indication* in the case record"),
    ("TQ1-9, ORC-7.6, OBR-27.6, OBR-5", "priority: the most urgent of these"),
    ("NTE-3", "notes, after ORC or OBR"),
)
_ANSWERS = (
    ("AA", "the orders are committed, or the message was processed before"),
    ("AE", "the content cannot be processed; MSA-3 and ERR say which field"),
    ("AR", "type, version or processing ID not accepted; too long; or not possible at present"),
)


def tables() -> str:
    """Return the tables in Markdown."""
    types = sorted("^".join(each) for each in reading.MESSAGE_TYPES)
    urgency: dict[Priority, list[str]] = {}
    for code, priority in reading.PRIORITIES.items():
        urgency.setdefault(priority, []).append(code)
    lines = [
        "| | |",
        "| --- | --- |",
        f"| message types (MSH-9) | {', '.join(types)} |",
        f"| versions (MSH-12) | {', '.join(reading.VERSIONS)}, and those that begin with these |",
        "| processing ID (MSH-11) | P |",
        f"| character sets (MSH-18) | {', '.join(CHARACTER_SETS)} |",
        f"| places an order (ORC-1) | {', '.join(reading.NEW)} |",
        f"| changes an order | {', '.join(reading.CHANGES)} |",
        f"| cancels an order | {', '.join(reading.CANCELS)} |",
        *(f"| priority {each.label.lower()} | {', '.join(codes)} |"
          for each, codes in urgency.items()),
        f"| accession number | {', '.join(str(each.label) for each in AccessionIn)} |",
        "",
        "| field | what it is read for |",
        "| --- | --- |",
        *(f"| {field} | {meaning} |" for field, meaning in _FIELDS),
        "",
        "| answer | meaning |",
        "| --- | --- |",
        *(f"| {code} | {meaning} |" for code, meaning in _ANSWERS),
        "",
        "| attribute of the Modality Worklist | what it is for |",
        "| --- | --- |",
        "| AccessionNumber (0008,0050) | matching key: a single value, exactly |",
        *(
            f"| {', '.join(_attribute(each) for each in keywords)} | {meaning} |"
            for meaning, keywords in RETURNED.items()
        ),
        "",
        "| Requested Procedure Priority | priority |",
        "| --- | --- |",
        *(f"| {code} | {each.label.lower()} |" for code, each in WORKLIST_PRIORITIES.items()),
        "| any other | routine |",
    ]  # fmt: skip
    return "\n".join(lines)


def _attribute(keyword: str) -> str:
    tag = Tag(keyword)
    return f"{keyword} ({tag.group:04X},{tag.element:04X})"


def fill_in(document: str) -> str:
    """Return a document with the current tables between its markers."""
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{tables()}\n\n{END}{after}"
