"""The tables on FHIR of the conformance statement (docs/dicom.md), from what the code sends."""

from collections.abc import Iterable
from http import HTTPStatus

from pydicom.sr.coding import Code

from webportal.backoff import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS
from webportal.delivery.attempts import LONGEST_WAIT_SECONDS, MOST_REFUSALS
from webportal.delivery.documents import coding
from webportal.delivery.documents.fhir import reads, resources, results
from webportal.delivery.documents.fhir.elements import SYSTEMS
from webportal.delivery.documents.fhir.transactions import RESOURCES
from webportal.delivery.senders import fhir, http
from webportal.review.models import OtherFinding, Pneumonia, Zone
from webportal.review.reads import codes

BEGIN, END = "<!-- fhir: begin -->", "<!-- fhir: end -->"


def tables() -> str:
    """Return the tables in Markdown."""
    lines = [
        "| resource | what it is |",
        "| --- | --- |",
        *(f"| {name} | {meaning} |" for name, meaning in RESOURCES.items()),
        "",
        "| status | of what |",
        "| --- | --- |",
        f"| {results.STATUS} | the model's observations; the report until a read is released |",
        f"| {reads.FIRST} | the first report of a read, and its observations |",
        f"| {reads.LATER} | the same after an addendum or an amended read |",
        f"| {reads.WITHDRAWN} | an observation of an earlier report that the present one lacks;"
        " one of the model whose result was withdrawn |",
        f"| {results.CANCELLED} | a preliminary report whose results were all withdrawn, until a"
        " read is released |",
        "",
        "| concept | code | RadLex |",
        "| --- | --- | --- |",
        *_concepts(),
        "",
        "| code system | URI |",
        "| --- | --- |",
        *(f"| {name} | `{uri}` |" for name, uri in SYSTEMS.items()),
        "",
        "| response | delivery |",
        "| --- | --- |",
        *_answers(),
    ]
    return "\n".join(lines)


def _concepts() -> Iterable[str]:
    yield _concept("report", resources.REPORT)
    yield _concept("by the model (device, method)", resources.BY_MODEL)
    yield _concept("pneumonia", coding.PNEUMONIA, codes.PNEUMONIA.radlex)
    for category, code in coding.MODEL_SAYS.items():
        yield _concept(f"… according to the model: {category.label.lower()}", code)
    yield _concept("… its probability (component, in %)", coding.CERTAINTY_OF_FINDING)
    for value in Pneumonia:
        code = coding.certainty(value)
        yield _concept(f"… according to the reader: {value}", code, codes.CERTAINTY[value].radlex)
    yield _concept("… its zones (components)", coding.FINDING_SITE)
    for zone in Zone:
        radlex = codes.ZONES[zone].radlex
        yield f"| {zone.label.lower()} | SCT `{reads.sided(zone)}` | {radlex} |"
    for finding in OtherFinding:
        found = coding.other_finding(finding)
        if found is not None:
            radlex = codes.OTHER_FINDINGS[finding].radlex
            yield _concept(str(finding.label).lower(), found, radlex)
    yield _concept("quality of the images", coding.QUALITY_ASSESSMENT)
    yield _concept("… not interpretable", coding.UNUSABLE)
    yield _concept("measurements, as text", reads.NARRATIVE)


def _concept(what: str, code: Code, radlex: str = "") -> str:
    return f"| {what} | {code.scheme_designator} `{code.value}` {code.meaning} | {radlex or '–'} |"


def _answers() -> Iterable[str]:
    pauses = f"{FIRST_PAUSE_SECONDS:.0f} s to {LONGEST_PAUSE_SECONDS / 60:.0f} minutes"
    yield "| 200 or 201 with a Bundle whose entries all have 2xx | delivered |"
    yield f"| {_list(http.NOT_ALLOWED)} | everything waits: the token is not accepted |"
    yield (
        f"| {_list(fhir.OVERLOADED)} | everything waits, {pauses}, or longer if"
        f" `Retry-After` says so (in seconds, at most {LONGEST_WAIT_SECONDS / 60:.0f} minutes) |"
    )
    yield (
        f"| {_list(http.NOT_A_SERVER)} without an OperationOutcome; 200 without a Bundle; any"
        " other status below 400 |"
        " everything waits: it is a proxy or another server |"
    )
    again = [each for each in http.FOR_NOW if each not in fhir.OVERLOADED]
    yield f"| {_list(again)}, any other 5xx; no response | waits, {pauses} |"
    yield (
        f"| {_list((*fhir.DOUBTFUL, *http.NOT_A_SERVER))} with an OperationOutcome; an entry"
        " without 2xx; any other 4xx without an OperationOutcome |"
        f" sent up to {MOST_REFUSALS} times, over most of an hour, then rejected |"
    )
    yield "| any other 4xx with an OperationOutcome | rejected; sent again only by a person |"


def _list(statuses: Iterable[HTTPStatus]) -> str:
    return ", ".join(str(each.value) for each in sorted(set(statuses)))


def fill_in(document: str) -> str:
    """Return a document with the current tables between its markers."""
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{tables()}\n\n{END}{after}"
