"""Generates the DICOMweb tables of the conformance statement (docs/dicom.md) from the code."""

from webportal.dicomweb import storing
from webportal.dicomweb.attributes import ATTRIBUTES, Attribute, Level, Matching
from webportal.dicomweb.negotiation import FRAME_TYPES
from webportal.network.sop_classes import name_of

BEGIN, END = "<!-- dicomweb: begin -->", "<!-- dicomweb: end -->"

_MATCHING = {
    Matching.UIDS: "UID list",
    Matching.TEXT: "value, wildcards",
    Matching.NAME: "value, wildcards, case-insensitive",
    Matching.NUMBER: "value",
    Matching.DATE: "value, range",
    Matching.DAY: "value, range",
    Matching.TIME: "value, range",
}


def tables() -> str:
    """Return the tables in Markdown."""
    lines = [
        "| attribute | tag | level | matching | key of | returned |",
        "| --- | --- | --- | --- | --- | --- |",
        *(_row(each) for each in ATTRIBUTES),
        "",
        "| transfer syntax of a stored frame | media type |",
        "| --- | --- |",
        *(f"| {name_of(syntax)} | `{media}` |" for syntax, media in FRAME_TYPES.items()),
        "",
        "| Failure Reason (0008,1197) | meaning |",
        "| --- | --- |",
        *(f"| 0x{code:04X} | {meaning} |" for code, meaning in storing.FAILURES.items()),
        "",
        "| Warning Reason (0008,1196) | meaning |",
        "| --- | --- |",
        *(f"| 0x{code:04X} | {meaning} |" for code, meaning in storing.WARNINGS.items()),
    ]
    return "\n".join(lines)


def _row(attribute: Attribute) -> str:
    matching = _MATCHING[attribute.matching] if attribute.matching else "–"
    keys = ", ".join(_name(level) for level in sorted(attribute.paths)) or "–"
    tag = f"({attribute.tag[:4]},{attribute.tag[4:]})"
    returned = "`includefield`" if attribute.on_request else "always"
    return (
        f"| {attribute.keyword} | {tag} | {_name(attribute.level)} | {matching} | {keys}"
        f" | {returned} |"
    )


def _name(level: Level) -> str:
    return {Level.STUDY: "studies", Level.SERIES: "series", Level.INSTANCE: "instances"}[level]


def fill_in(document: str) -> str:
    """Return a document with the current tables between its markers."""
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{tables()}\n\n{END}{after}"
