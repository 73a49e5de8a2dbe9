"""The groups in which images are counted: age, view and equipment, as far as known."""

from collections import Counter

from webportal.inference.purpose.ages import by_dates, by_header
from webportal.inference.purpose.projections import Projection, views_of
from webportal.inference.purpose.rule import KnownFacts

UNKNOWN = "unknown"
OTHERS = "others"
#: Each group by the first month of age that is beyond it.
_AGES = ((12, "under_1"), (72, "1_to_5"), (216, "6_to_17"), (780, "18_to_64"))
AGES = (*(name for _, name in _AGES), "65_and_over", UNKNOWN)
_VIEWS = {
    Projection.AP: "ap",
    Projection.PA: "pa",
    Projection.FRONTAL: "frontal",
    Projection.NOT_FRONTAL: "not_frontal",
    Projection.UNKNOWN: UNKNOWN,
}
VIEWS = ("ap", "pa", "frontal", "not_frontal", "several", UNKNOWN)
#: Equipment with fewer images in a week, or not among the most frequent, counts as others.
LEAST_IMAGES = 5
MOST_EQUIPMENT = 8
_LONGEST_NAME = 60


def age_group(facts: KnownFacts) -> str:
    """The patient's age at the time of the image, by dates or else by the header."""
    taken = facts.taken or facts.received
    given = by_dates(facts.birth_date, taken) if facts.birth_date else None
    given = given or by_header(facts.patient_age)
    if given is None:
        return UNKNOWN
    return next((name for below, name in _AGES if given.months < below), "65_and_over")


def view_group(facts: KnownFacts) -> str:
    """The view that the header names."""
    views = views_of(facts.view_position, facts.codes, facts.body_part)
    named = {view.projection for view in views} - {Projection.UNKNOWN}
    # AP and PA are more specific than frontal.
    if named & {Projection.AP, Projection.PA}:
        named.discard(Projection.FRONTAL)
    if not named:
        return UNKNOWN
    return _VIEWS[named.pop()] if len(named) == 1 else "several"


def equipment_name(manufacturer: str, model_name: str) -> str:
    """Manufacturer and model, as the header has them."""
    words = (" ".join(each.split()) for each in (manufacturer, model_name))
    return " · ".join(filter(None, words))[:_LONGEST_NAME] or UNKNOWN


def most_frequent(equipment: Counter[str]) -> dict[str, int]:
    """The counts of the most frequent equipment; the rest is counted among `OTHERS`."""
    named = Counter(equipment)
    unknown = named.pop(UNKNOWN, 0)
    kept = {
        name: count for name, count in named.most_common(MOST_EQUIPMENT) if count >= LEAST_IMAGES
    }
    others = named.total() - sum(kept.values())
    return kept | {name: n for name, n in ((OTHERS, others), (UNKNOWN, unknown)) if n}
