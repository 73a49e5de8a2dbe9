"""A signed read: its findings as observations, and the report that is final or amended."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydicom.sr.coding import Code

from webportal.accounts.models import User
from webportal.delivery.documents import coding
from webportal.delivery.documents.fhir.elements import (
    Json,
    concept,
    organization,
    radlex,
    reader,
    text,
)
from webportal.delivery.documents.fhir.resources import (
    diagnostic_report,
    image_references,
    imaging_study,
    instant,
    observation,
)
from webportal.delivery.documents.fhir.transactions import transaction
from webportal.delivery.documents.texts import conclusions, measured, uncoded
from webportal.records.models import Study
from webportal.review.models import Addendum, Decision, OtherFinding, Pneumonia, Read, Zone
from webportal.review.reads import codes

#: The status of a report and its observations when it is first issued, and after that.
FIRST, LATER = "final", "amended"
#: The status of an observation that an earlier report had and the present one has not.
WITHDRAWN = "entered-in-error"
#: The attribute of SNOMED CT that gives a site its side.
_LATERALITY = "272741003"
#: Findings without a code, and measurements, as text.
NARRATIVE = Code("18782-3", "LN", "Radiology Study observation (narrative)")


@dataclass(frozen=True)
class _Finding:
    key: str
    code: Json
    words: str
    value: Json = field(default_factory=dict)


def read_transaction(
    study: Study, read: Read, addenda: Sequence[Addendum], former: Sequence[Read]
) -> bytes:
    """A read with its addenda; `former` are the reads of reports made before, which it amends."""
    images = list(study.radiographs.select_related("series"))
    imaging = imaging_study(study, images)
    has_own = any(each.read_id == read.pk for each in addenda)
    is_later = bool(has_own or former or read.amends_id is not None)
    status = LATER if is_later else FIRST
    assert read.signed_at is not None
    issued = instant(read.signed_at)
    last = max([read.signed_at, *(each.signed_at for each in addenda)])

    def observed(finding: _Finding, state: str, **more: Any) -> Json:
        return observation(
            study,
            ("read", finding.key),
            state,
            finding.code,
            issued=issued,
            performer=[reader(read.reader)],
            derivedFrom=image_references(imaging, images),
            **more,
        )

    findings = list(_findings(read))
    present = [observed(each, status, **each.value) for each in findings]
    keys = {each.key for each in findings}
    gone = {each.key: each for one in former for each in _findings(one) if each.key not in keys}
    withdrawn = [observed(each, WITHDRAWN) for each in gone.values()]
    texts = list(filter(None, map(text, conclusions(read, addenda))))
    readers = [reader(each) for each in _readers(read, addenda)]
    report = diagnostic_report(
        study,
        imaging,
        present,
        status,
        last,
        [*(each.words for each in findings), *texts, *_signatures(read, addenda)],
        performer=[organization(), *readers],
        resultsInterpreter=readers,
        conclusion="\n\n".join(texts),
        conclusionCode=[each.code for each in findings if _is_present(each)],
    )
    return transaction([imaging, *present, *withdrawn, report])


def _findings(read: Read) -> Iterator[_Finding]:
    if read.decision == Decision.NOT_INTERPRETABLE:
        yield _coded(
            "quality", concept(coding.QUALITY_ASSESSMENT), concept(coding.UNUSABLE), "Quality"
        )
    else:
        certainty = concept(
            coding.certainty(read.pneumonia),
            *radlex(codes.CERTAINTY[Pneumonia(read.pneumonia)].radlex),
        )
        code = concept(coding.PNEUMONIA, *radlex(codes.PNEUMONIA.radlex))
        sites = [_site(zone) for zone in read.zones]
        yield _coded("pneumonia", code, certainty, "Pneumonia", sites)
    for name in read.other_findings:
        snomed = coding.other_finding(name)
        if snomed is not None:
            code = concept(snomed, *radlex(codes.OTHER_FINDINGS[OtherFinding(name)].radlex))
            present = concept(coding.PRESENT, *radlex(codes.CERTAINTY[Pneumonia.DEFINITE].radlex))
            yield _coded(name, code, present, snomed.meaning)
    for words in uncoded(read):
        yield _Finding("other", concept(NARRATIVE), words, {"valueString": words})
    lines = [text(each) for each in measured(read)]
    if lines:
        value = {"valueString": "\n".join(lines)}
        yield _Finding("measurements", concept(NARRATIVE), "; ".join(lines), value)


def _coded(key: str, code: Json, value: Json, name: str, sites: Sequence[Json] = ()) -> _Finding:
    places = [site["valueCodeableConcept"]["text"] for site in sites]
    says = value["coding"][0]["display"]
    words = f"{name}: {', '.join([says.lower(), *(place.lower() for place in places)])}."
    more = {"component": list(sites)} if sites else {}
    return _Finding(key, code, words, {"valueCodeableConcept": value} | more)


def _site(name: str) -> Json:
    """A zone of a lung: SNOMED CT names its side by post-coordination, RadLex has one code."""
    zone, side = coding.zone(name)
    words = f"{zone.meaning}, {side.meaning.lower()}"
    return {
        "code": concept(coding.FINDING_SITE),
        "valueCodeableConcept": concept(
            Code(sided(name), coding.SNOMED, ""),
            *radlex(codes.ZONES[Zone(name)].radlex),
            words=words,
        ),
    }


def sided(name: str) -> str:
    """A zone with its side as an expression of SNOMED CT."""
    zone, side = coding.zone(name)
    return f"{zone.value}:{_LATERALITY}={side.value}"


def _is_present(finding: _Finding) -> bool:
    value = finding.value.get("valueCodeableConcept", {})
    return any(each["code"] == coding.PRESENT.value for each in value.get("coding", []))


def _readers(read: Read, addenda: Sequence[Addendum]) -> list[User]:
    """The reader and the authors of addenda, each once."""
    return list(dict.fromkeys([read.reader, *(each.author for each in addenda)]))


def _signatures(read: Read, addenda: Sequence[Addendum]) -> Iterator[str]:
    assert read.signed_at is not None
    yield f"Signed by {read.reader}, {instant(read.signed_at)}."
    for each in addenda:
        yield f"Addendum signed by {each.author}, {instant(each.signed_at)}."
