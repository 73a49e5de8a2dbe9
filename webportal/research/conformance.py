"""Generates the lists of docs/research.md from the code."""

from pydicom.uid import UID

from webportal.research import profile
from webportal.research.reasons import REASONS

BEGIN, END = "<!-- research: begin -->", "<!-- research: end -->"


def tables() -> str:
    """Return the lists in Markdown."""
    values = "; ".join(
        f"{keyword} ({', '.join(value or 'empty' for value in known)})"
        for keyword, known in profile.VALUES.items()
    )
    lines = [
        "| attributes | in the export |",
        "| --- | --- |",
        f"| {', '.join(profile.REPLACED)} | replaced, consistently within an export |",
        "| PatientID, PatientName | the pseudonym |",
        f"| {', '.join(profile.EMPTY)} | emptied |",
        f"| {', '.join(profile.NUMBERS)} | kept, if it is a number |",
        f"| {values} | kept, if it has one of these values |",
        f"| of these, {', '.join(profile.EMPTY_UNLESS_KEPT)} | otherwise emptied |",
        "| every other attribute, every sequence, private attributes, overlays | removed |",
        "",
        "| SOP class |",
        "| --- |",
        *(f"| {UID(uid).name} |" for uid in profile.SOP_CLASSES),
        "",
        "| reason in the manifest | why an image is left out |",
        "| --- | --- |",
        *(f"| `{code}` | {words} |" for code, words in REASONS.items()),
    ]
    return "\n".join(lines)


def fill_in(document: str) -> str:
    """Return a document with the current lists between its markers."""
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{tables()}\n\n{END}{after}"
