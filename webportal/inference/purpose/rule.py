"""The one rule that decides whether a result is shown, shown with a warning, or withheld.

It compares what is known of an image with the intended population declared by the model's package
(`ModelVersion.population`):

- not a frontal view, or not a whole chest: *withheld*. The model's answer to such a picture means
  nothing and is not kept;
- an age beyond the package's, or places of the header that contradict each other where one of them
  lies beyond: *outside*. The answer is kept; it counts nowhere as likely or unlikely;
- an age or a view that is not known, a word that nobody knows, another frontal view than the
  package's, an image that looks like an adult's although its patient is young enough:
  *unconfirmed*. The answer keeps its place, and what is not known is said beside it.

Every package is for frontal radiographs of whole chests; other criteria, such as age, apply only if
declared. When changing the rule, add a migration that empties `Prediction.purpose`, so that
`manage.py prepare` re-evaluates all earlier results.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.utils import timezone

from ml.serving.stages import ADULT, CHILD
from webportal.inference.purpose.ages import StatedAge, by_dates, by_header, can_be, contradict
from webportal.inference.purpose.bodies import Region, bodies_of, one_side
from webportal.inference.purpose.projections import Projection, View, views_of
from webportal.records.ages import examined_on
from webportal.records.choices import Purpose
from webportal.records.models import Radiograph

FRONTAL = (Projection.AP, Projection.PA, Projection.FRONTAL)
# As of the descriptions among `codes` (ml.images.codes.MAX_LENGTH, which would import NumPy here).
DESCRIPTION_LENGTH = 64
# As of what takes an image for an adult's (ml.research.training.choosing.ADULT_FROM).
ADULT_FROM_MONTHS = 16 * 12
_SEVERITY = (Purpose.WITHIN, Purpose.UNCONFIRMED, Purpose.OUTSIDE, Purpose.WITHHELD)


@dataclass(frozen=True)
class KnownFacts:
    """What is known of an image, from its header as written and from the case record.

    `taken` is the study date, None if not recorded; `received` the upload date.
    `series_description` stands in for the descriptions in `codes` of an image that was stored
    before they were read.
    """

    received: date
    taken: date | None = None
    birth_date: date | None = None
    patient_age: str = ""
    view_position: str = ""
    body_part: str = ""
    laterality: str = ""
    codes: Sequence[Mapping[str, str]] = ()
    series_description: str = ""

    @classmethod
    def of(cls, radiograph: Radiograph) -> "KnownFacts":
        """The known facts of a radiograph; loads its study, patient and series if needed."""
        study, series = radiograph.study, radiograph.series
        return cls(
            received=timezone.localtime(study.created_at).date(),
            taken=examined_on(study),
            birth_date=study.patient.birth_date,
            patient_age=radiograph.patient_age,
            view_position=radiograph.view_position,
            body_part=radiograph.body_part,
            laterality=radiograph.laterality,
            codes=radiograph.codes,
            series_description=series.description if series is not None else "",
        )

    @property
    def codes_and_descriptions(self) -> Sequence[Mapping[str, str]]:
        """The codes, with the series' description where those of the image were not read."""
        if not self.series_description or any(code.get("of") == "described" for code in self.codes):
            return self.codes
        text = self.series_description.strip()[:DESCRIPTION_LENGTH]
        return [*self.codes, {"of": "described", "value": "", "scheme": "", "meaning": text}]


@dataclass(frozen=True)
class PurposeDoubt:
    """Why a result is not clearly within its purpose: a code from `reasons`, and its values."""

    code: str
    purpose: Purpose
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Judgement:
    """The verdict and its reasons, most serious first."""

    purpose: Purpose
    reasons: Sequence[PurposeDoubt]

    @property
    def stored(self) -> list[list[Any]]:
        """The reasons as stored with a result."""
        return [[reason.code, dict(reason.values)] for reason in self.reasons]


def judge(population: Mapping[str, Any], facts: KnownFacts, assessed_as: str = "") -> Judgement:
    """Evaluate a result of a version intended for `population`.

    `assessed_as` says whether the version took the image for a child's or an adult's, '' if it
    makes no difference.
    """
    reasons = [*_of_view(population, facts), *_of_body(facts)]
    # Whose image a withheld one looks like is not kept.
    is_withheld = any(reason.purpose == Purpose.WITHHELD for reason in reasons)
    reasons += _of_age(population, facts, "" if is_withheld else assessed_as)
    reasons.sort(key=lambda reason: -_SEVERITY.index(reason.purpose))
    return Judgement(reasons[0].purpose if reasons else Purpose.WITHIN, reasons)


def _of_view(population: Mapping[str, Any], facts: KnownFacts) -> list[PurposeDoubt]:
    views = views_of(facts.view_position, facts.codes_and_descriptions, facts.body_part)
    frontal = [view for view in views if view.projection in FRONTAL]
    others = [view for view in views if view.projection is Projection.NOT_FRONTAL]
    if others and not frontal:
        return [PurposeDoubt("not_frontal_view", Purpose.WITHHELD, {"view": others[0].text})]
    if others:
        values = {"one": frontal[0].text, "other": others[0].text}
        return [PurposeDoubt("views_contradict", Purpose.OUTSIDE, values)]
    reasons = [
        PurposeDoubt("view_word", Purpose.UNCONFIRMED, {"view": view.text})
        for view in views
        if view.projection is Projection.UNKNOWN
    ]
    return reasons + _of_frontal(population.get("views") or [], frontal, bool(reasons))


def _of_frontal(
    made_for: Sequence[str], frontal: Sequence[View], is_said: bool
) -> list[PurposeDoubt]:
    """Compare AP and PA with what the package declares."""
    if not made_for:
        return []
    named = {view.projection: view.text for view in frontal}
    if Projection.AP in named and Projection.PA in named:
        values = {"one": named[Projection.AP], "other": named[Projection.PA]}
        return [PurposeDoubt("views_contradict", Purpose.UNCONFIRMED, values)]
    exact = next((each for each in (Projection.AP, Projection.PA) if each in named), None)
    views = ", ".join(made_for)
    if exact is not None:
        if exact.value in made_for:
            return []
        values = {"view": exact.value, "views": views}
        return [PurposeDoubt("view_other", Purpose.UNCONFIRMED, values)]
    if is_said:
        return []
    return [PurposeDoubt("view_unknown", Purpose.UNCONFIRMED, {"views": views})]


def _of_body(facts: KnownFacts) -> list[PurposeDoubt]:
    bodies = bodies_of(facts.body_part, facts.codes)
    chests = [body for body in bodies if body.region is Region.CHEST]
    others = [body for body in bodies if body.region in (Region.OTHER, Region.PART)]
    if others and chests:
        values = {"one": chests[0].text, "other": others[0].text}
        return [PurposeDoubt("bodies_contradict", Purpose.OUTSIDE, values)]
    if others:
        code = "part_of_chest" if others[0].region is Region.PART else "not_chest"
        return [PurposeDoubt(code, Purpose.WITHHELD, {"part": others[0].text})]
    reasons = [
        PurposeDoubt("body_word", Purpose.UNCONFIRMED, {"part": body.text})
        for body in bodies
        if body.region is Region.UNKNOWN
    ]
    side = one_side(facts.laterality)
    if side:
        reasons.append(PurposeDoubt("one_side", Purpose.UNCONFIRMED, {"side": side}))
    return reasons


def _of_age(
    population: Mapping[str, Any], facts: KnownFacts, assessed_as: str
) -> list[PurposeDoubt]:
    youngest, oldest = population.get("youngest_years"), population.get("oldest_years")
    if youngest is None or oldest is None:
        return []
    made_for = {"youngest": youngest, "oldest": oldest}
    written = by_header(facts.patient_age)
    dated, doubts = _dated(facts)
    if written is None and dated is None and facts.patient_age:
        unreadable = PurposeDoubt(
            "age_unreadable", Purpose.UNCONFIRMED, {"given": facts.patient_age}
        )
        doubts = [*doubts, unreadable]
    ages = [age for age in (dated, written) if age is not None]
    if not ages:
        doubts = doubts or _without_age(made_for, facts)
        return [*doubts, *_of_looks(None, made_for, assessed_as)]
    doubts = [*doubts, *_of_looks(ages[0], made_for, assessed_as)]
    beyond = [age for age in ages if not _fits(age, made_for)]
    if dated and written and contradict(dated, written):
        values = {"one": dated.months, "other": written.months, **made_for}
        purpose = Purpose.OUTSIDE if beyond else Purpose.UNCONFIRMED
        return [*doubts, PurposeDoubt("ages_contradict", purpose, values)]
    if ages[0] in beyond:
        values = {"months": ages[0].months, **made_for}
        return [PurposeDoubt("age_outside", Purpose.OUTSIDE, values), *doubts]
    return doubts


def _dated(facts: KnownFacts) -> tuple[StatedAge | None, list[PurposeDoubt]]:
    """The age from birth date and study date, with any doubts about these."""
    if facts.birth_date is None or facts.taken is None:
        return None, []
    age = by_dates(facts.birth_date, facts.taken) if can_be(facts.taken, facts.received) else None
    if age is not None:
        return age, []
    values = {"born": facts.birth_date.isoformat(), "taken": facts.taken.isoformat()}
    return None, [PurposeDoubt("dates_contradict", Purpose.UNCONFIRMED, values)]


def _without_age(made_for: Mapping[str, int], facts: KnownFacts) -> list[PurposeDoubt]:
    """Reasons if no age is known.

    The upload date is not the study date, but an adult at upload was mostly one before, and a
    patient too young even at upload was younger still.
    """
    if facts.birth_date is not None and facts.taken is None:
        age = by_dates(facts.birth_date, facts.received)
        if age is not None:
            purpose = Purpose.UNCONFIRMED if _fits(age, made_for) else Purpose.OUTSIDE
            return [PurposeDoubt("study_undated", purpose, {"months": age.months, **made_for})]
    return [PurposeDoubt("age_unknown", Purpose.UNCONFIRMED, made_for)]


def _of_looks(
    age: StatedAge | None, made_for: Mapping[str, int], assessed_as: str
) -> list[PurposeDoubt]:
    """Compare the age with whose image it looks like.

    An adult whose image looks like one raises no doubt here: the age already does.
    """
    if age is None and assessed_as == ADULT:
        return [PurposeDoubt("looks_adult", Purpose.UNCONFIRMED, made_for)]
    if age is None:
        return []
    values = {"months": age.months}
    # Not of an older child, who may look like one.
    if assessed_as == ADULT and age.months < min(_below(made_for), ADULT_FROM_MONTHS):
        return [PurposeDoubt("adult_unlike_age", Purpose.UNCONFIRMED, values)]
    if assessed_as == CHILD and age.months >= ADULT_FROM_MONTHS:
        return [PurposeDoubt("child_unlike_age", Purpose.OUTSIDE, values)]
    return []


def _fits(age: StatedAge, made_for: Mapping[str, int]) -> bool:
    return made_for["youngest"] * 12 <= age.months < _below(made_for)


def _below(made_for: Mapping[str, int]) -> int:
    """The first age in months that is too old."""
    return (made_for["oldest"] + 1) * 12
