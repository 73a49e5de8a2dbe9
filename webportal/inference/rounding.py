"""Probabilities and thresholds, rounded so that no figure contradicts the category beside it.

Rounded independently, a probability of 73.6 % and a threshold of 73.7 % both become 74 %, and an
indeterminate result stands beside 'Likely from 74 %'. Thresholds are therefore rounded up, and a
probability is kept on its side of each threshold: it is never more than one unit off.
"""

import uuid
from collections.abc import Collection, Mapping
from decimal import ROUND_CEILING, Decimal
from typing import Any

from django.db.models import F

from webportal.inference.models import Prediction

Thresholds = Mapping[str, Mapping[str, Any]]

PERCENT_DIGITS = 2
_MOST_DIGITS = 6


def rounded(probability: float, thresholds: Thresholds, digits: int = PERCENT_DIGITS) -> float:
    """Round a probability, 0 to 1, to that many digits without crossing one of the thresholds.

    Takes more digits if two thresholds would otherwise be the same.
    """
    places = _digits_for(thresholds, digits)
    unit = Decimal(1).scaleb(-places)
    found = Decimal(str(round(probability, places)))
    for threshold in _values(thresholds):
        limit = _up(threshold, places)
        found = max(found, limit) if probability >= threshold else min(found, limit - unit)
    return float(found)


def percent(probability: float, thresholds: Thresholds) -> str:
    """A probability as a percentage; never 0 % or 100 %, which would claim certainty."""
    places = _digits_for(thresholds, PERCENT_DIGITS)
    unit = 10.0**-places
    # Every threshold is between these two.
    if probability < unit:
        return f"< {_format(unit, places)} %"
    if probability > 1 - unit:
        return f"> {_format(1 - unit, places)} %"
    return f"{_format(rounded(probability, thresholds), places)} %"


def percentage(probability: float, thresholds: Thresholds) -> float:
    """The same as a number for documents, which have no 'less than': 0.1 to 99.9."""
    is_extreme = not 0.01 <= probability <= 0.99
    found = rounded(probability, thresholds, PERCENT_DIGITS + is_extreme)
    found = round(100 * min(max(found, 0.001), 0.999), _MOST_DIGITS)
    return int(found) if found.is_integer() else found


def threshold_percent(name: str, thresholds: Thresholds) -> str:
    """The threshold of an operating point as a percentage, as probabilities are compared with it.

    Comparing whole percentages gives the same category as comparing the unrounded ones.
    """
    places = _digits_for(thresholds, PERCENT_DIGITS)
    return f"{_format(float(_up(thresholds[name]['threshold'], places)), places)} %"


def thresholds_of(study_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Thresholds]:
    """The thresholds that belong to the probability in the summary of each study that has one."""
    leading = Prediction.objects.filter(
        radiograph__study__in=study_ids,
        is_current=True,
        probability=F("radiograph__study__probability"),
    )
    return dict(leading.values_list("radiograph__study_id", "model_version__thresholds"))


def _values(thresholds: Thresholds) -> list[float]:
    return [point["threshold"] for point in thresholds.values()]


def _up(threshold: float, places: int) -> Decimal:
    return Decimal(str(threshold)).quantize(Decimal(1).scaleb(-places), ROUND_CEILING)


def _digits_for(thresholds: Thresholds, digits: int) -> int:
    """The fewest digits, from `digits` on, that keep thresholds apart from each other, 0 and 1."""
    values = set(_values(thresholds))
    for places in range(digits, _MOST_DIGITS):
        limits = {_up(value, places) for value in values}
        unit = Decimal(1).scaleb(-places)
        if len(limits) == len(values) and all(unit < limit < 1 for limit in limits):
            return places
    return _MOST_DIGITS


def _format(share: float, places: int) -> str:
    return f"{100 * share:.{places - 2}f}"
