"""Modality Worklist (PS3.4 K): the query for an accession number, and reading its matches.

A worklist item is a scheduled procedure step; the steps of one order become one order here.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from ml.images import letters
from webportal.orders.hl7 import MessageError
from webportal.orders.models import OrderStatus
from webportal.orders.reading import OrderContent, check_identifier
from webportal.records.choices import Priority, Sex
from webportal.records.identifiers import name_fault

#: Requested Procedure Priority (0040,1003); everything else is routine.
PRIORITIES = {"STAT": Priority.STAT, "HIGH": Priority.URGENT}
#: Return keys by purpose. Of several for one purpose, the first that is filled counts.
RETURNED: dict[str, tuple[str, ...]] = {
    "the patient": ("PatientID", "IssuerOfPatientID"),
    "the patient's name, date of birth and sex": ("PatientName", "PatientBirthDate", "PatientSex"),
    "placer's number: tells orders with the same accession number apart": (
        "PlacerOrderNumberImagingServiceRequest",
    ),
    "filler's number": ("FillerOrderNumberImagingServiceRequest",),
    "requested procedure": (
        "RequestedProcedureDescription",
        "RequestedProcedureCodeSequence",
        "ScheduledProcedureStepSequence",
    ),
    "*Indication* in the case record": (
        "ReasonForTheRequestedProcedure",
        "ReasonForRequestedProcedureCodeSequence",
    ),
    "*History* in the case record": ("AdditionalPatientHistory",),
    "notes": ("RequestedProcedureComments", "ImagingServiceRequestComments"),
    "the referring clinician": ("ReferringPhysicianName", "RequestingPhysician"),
    "priority": ("RequestedProcedurePriority",),
}
_NAMES = {
    "PatientID": "Patient ID (0010,0020)",
    "IssuerOfPatientID": "Issuer of Patient ID (0010,0021)",
}
_CODE = ("CodeValue", "CodingSchemeDesignator", "CodeMeaning")
_STEP = (
    *("Modality", "ScheduledStationAETitle", "ScheduledProcedureStepStartDate"),
    *("ScheduledProcedureStepStartTime", "ScheduledProcedureStepDescription"),
    "ScheduledProcedureStepID",
)


def query(accession_number: str) -> Dataset:
    """The identifier of the C-FIND: exactly one accession number, and no name."""
    asked = Dataset()
    if not accession_number.isascii():
        asked.SpecificCharacterSet = "ISO_IR 192"
    for keyword in (each for keywords in RETURNED.values() for each in keywords):
        setattr(asked, keyword, [] if keyword.endswith("Sequence") else "")
    for keyword in ("RequestedProcedureCodeSequence", "ReasonForRequestedProcedureCodeSequence"):
        setattr(asked, keyword, [_empty(_CODE)])
    asked.ScheduledProcedureStepSequence = [_empty(_STEP)]
    asked.AccessionNumber = accession_number
    return asked


def _empty(keywords: Iterable[str]) -> Dataset:
    item = Dataset()
    for keyword in keywords:
        setattr(item, keyword, "")
    return item


def has_number(item: Dataset, accession_number: str) -> bool:
    """Whether an item has this accession number; a server may ignore the matching key."""
    return _text(item, "AccessionNumber") == accession_number


def read(items: Sequence[Dataset], accession_number: str, patient_id: str) -> list[OrderContent]:
    """The orders in the items with this accession number.

    If one has items for several patients, those for `patient_id` count. Raises MessageError if that
    does not tell them apart, or a value cannot be used.
    """
    groups: dict[str, dict[tuple[str, str], list[Dataset]]] = {}
    for item in items:
        if has_number(item, accession_number):
            whose = _identifier(item, "PatientID"), _identifier(item, "IssuerOfPatientID")
            of_order = groups.setdefault(_text(item, "PlacerOrderNumberImagingServiceRequest"), {})
            of_order.setdefault(whose, []).append(item)
    orders = []
    for placer, by_patient in groups.items():
        own = [whose for whose in by_patient if whose[0] == patient_id]
        chosen = own if len(by_patient) > 1 else list(by_patient)
        if len(chosen) != 1:
            raise MessageError("worklist_several_patients")
        [whose] = chosen
        orders.append(_order(by_patient[whose], accession_number, placer, whose))
    return orders


def _order(
    steps: list[Dataset], accession_number: str, placer: str, whose: tuple[str, str]
) -> OrderContent:
    patient_id, issuer = whose
    if not patient_id:
        raise MessageError("field_missing", field="Patient ID (0010,0020)")
    codes = [each for step in steps for each in _items(step, "RequestedProcedureCodeSequence")]
    filler = _first(steps, "FillerOrderNumberImagingServiceRequest")
    priority = min(
        (_text(step, "RequestedProcedurePriority") for step in steps),
        key=lambda code: PRIORITIES.get(code.upper(), Priority.ROUTINE),
    )
    fields: dict[str, Any] = {
        "filler_number": filler,
        "patient_name": _name(steps[0]),
        "birth_date": _birth_date(steps[0]),
        "sex": _sex(steps[0]),
        "procedure_code": _lines(_text(code, "CodeValue") for code in codes),
        "procedure": _procedure(steps, codes),
        "indication": _indication(steps),
        "history": _lines(_text(step, "AdditionalPatientHistory") for step in steps),
        "notes": _lines(_text(step, name) for step in steps for name in RETURNED["notes"]),
        "referring_physician": _doctor(steps),
        "priority_code": priority,
    }
    values = {name: value for name, value in fields.items() if value}
    values["patient_ids"] = [{"id": patient_id, "issuer": issuer, "type": ""}]
    values["priority"] = int(PRIORITIES.get(priority.upper(), Priority.ROUTINE))
    values["status"] = OrderStatus.ORDERED.value
    return OrderContent(accession_number, placer, is_new=True, values=values)


def _procedure(steps: list[Dataset], codes: list[Dataset]) -> str:
    described = _lines(_text(step, "RequestedProcedureDescription") for step in steps)
    if described:
        return described
    scheduled = (
        _text(each, "ScheduledProcedureStepDescription")
        for step in steps
        for each in _items(step, "ScheduledProcedureStepSequence")
    )
    return _lines(_text(code, "CodeMeaning") for code in codes) or _lines(scheduled)


def _indication(steps: list[Dataset]) -> str:
    written = _lines(_text(step, "ReasonForTheRequestedProcedure") for step in steps)
    coded = (
        _text(each, "CodeMeaning")
        for step in steps
        for each in _items(step, "ReasonForRequestedProcedureCodeSequence")
    )
    return written or _lines(coded)


def _doctor(steps: list[Dataset]) -> str:
    """The referring clinician's name, in spoken order."""
    written = next(
        (
            _text(step, keyword)
            for keyword in RETURNED["the referring clinician"]
            for step in steps
            if _text(step, keyword)
        ),
        "",
    )
    if name_fault(written):
        raise MessageError("field_invalid", field="Referring Physician's Name (0008,0090)")
    parts = written.partition("=")[0].split("^")
    family, given, middle, prefix, suffix = (*parts, *[""] * 5)[:5]
    return " ".join(filter(None, [prefix, given, middle, family, suffix]))


def _name(item: Dataset) -> str:
    name = _text(item, "PatientName")
    if name_fault(name):
        raise MessageError("field_invalid", field="Patient's Name (0010,0010)")
    return name


def _birth_date(item: Dataset) -> date | None:
    written = _text(item, "PatientBirthDate")
    if not written:
        return None
    try:
        return datetime.strptime(written, "%Y%m%d").date()  # noqa: DTZ007  # a day has no zone
    except ValueError:
        raise MessageError("field_invalid", field="Patient's Birth Date (0010,0030)") from None


def _sex(item: Dataset) -> str:
    sex = _text(item, "PatientSex")
    return sex if sex in Sex.values else ""


def _first(steps: list[Dataset], keyword: str) -> str:
    return next((_text(step, keyword) for step in steps if _text(step, keyword)), "")


def _lines(texts: Iterable[str]) -> str:
    """The distinct texts, one a line."""
    return "\n".join(dict.fromkeys(text for text in texts if text))


def _identifier(item: Dataset, keyword: str) -> str:
    """An identifier as received. Raises MessageError if its characters cannot be decoded."""
    found = _letters(item, keyword)
    text = found.text.strip(" \0")
    if not text:
        return ""
    name = _NAMES[keyword]
    if not found.are_sure:
        raise MessageError("field_invalid", field=name)
    check_identifier(text, name)
    return text


def _text(item: Dataset, keyword: str) -> str:
    """The text of an element, without padding and with Unix line breaks."""
    text = _letters(item, keyword).text.replace("\0", "").replace("\r\n", "\n")
    return text.strip()


def _letters(item: Dataset, keyword: str) -> letters.Letters:
    element = item.get_item(keyword)
    value = None if element is None else element.value
    if isinstance(value, bytes):
        return letters.decode(value, _character_sets(item))
    values = value if isinstance(value, MultiValue) else [value or ""]
    return letters.Letters("\\".join(str(each) for each in values), are_sure=True)


def _character_sets(item: Dataset) -> list[str]:
    declared = item.get("SpecificCharacterSet")
    several = declared if isinstance(declared, MultiValue) else [declared]
    return [str(each or "") for each in several]


def _items(item: Dataset, keyword: str) -> Sequence[Dataset]:
    """The items of a sequence, with the character set of the data set around it."""
    found: Sequence[Dataset] = item.get(keyword) or []
    for each in found:
        if "SpecificCharacterSet" not in each and "SpecificCharacterSet" in item:
            each.SpecificCharacterSet = item.SpecificCharacterSet
    return found
