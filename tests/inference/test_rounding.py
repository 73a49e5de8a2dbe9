"""No rounded figure contradicts the category that stands beside it."""

import re
from collections.abc import Callable
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from ml.serving.assessment import categorise
from tests.factories import THRESHOLDS, make_model_version, make_prediction
from webportal.accounts.models import User
from webportal.inference.models import Prediction
from webportal.inference.rounding import percent, percentage, rounded, threshold_percent

NEAR_EACH_OTHER = [(0.0558, 0.637), (0.2, 0.7), (0.7412, 0.7448), (0.008, 0.995), (0.57, 0.58)]


def thresholds(unlikely: float, likely: float) -> dict[str, dict[str, float]]:
    return {"unlikely": {"threshold": unlikely}, "likely": {"threshold": likely}}


def number(words: str) -> Decimal:
    beyond = {"<": Decimal("-0.001"), ">": Decimal("0.001")}.get(words[0], Decimal(0))
    return Decimal(re.sub(r"[^\d.]", "", words)) + beyond


@pytest.mark.parametrize(("unlikely", "likely"), NEAR_EACH_OTHER)
def test_rounded_figures_lead_to_the_category_of_the_exact_ones(
    unlikely: float, likely: float
) -> None:
    points = thresholds(unlikely, likely)
    shown = {name: float(number(threshold_percent(name, points))) for name in points}
    near = [each + step / 10_000 for each in (unlikely, likely) for step in range(-120, 121)]
    for probability in (each for each in (*near, 0.0, 1.0) if 0 <= each <= 1):
        category = categorise(probability, unlikely_below=unlikely, likely_from=likely)
        figure = percentage(probability, points)
        figures = [float(number(percent(probability, points))), figure]
        for each in figures:
            found = categorise(each, unlikely_below=shown["unlikely"], likely_from=shown["likely"])
            assert found == category, (probability, each, shown)
        for share in (figure / 100, rounded(probability, points, 4)):
            found = categorise(share, unlikely_below=unlikely, likely_from=likely)
            assert found == category, (probability, share)
        assert abs(figure - 100 * probability) <= 1.01


def test_a_figure_far_from_every_threshold_is_merely_rounded() -> None:
    points = thresholds(0.0558, 0.637)
    assert [percent(each, points) for each in (0.4567, 0.004, 0.996)] == ["46 %", "< 1 %", "> 99 %"]


@pytest.fixture
def near_the_threshold(db: None) -> Prediction:
    """Indeterminate at 73.6 %, where likely begins at 73.7 %."""
    points = {**THRESHOLDS, "likely": {**THRESHOLDS["likely"], "threshold": 0.737}}
    return make_prediction(
        category="indeterminate",
        probability=0.736,
        model_version=make_model_version("near", thresholds=points),
    )


def test_pages_keep_an_indeterminate_result_below_the_threshold(
    near_the_threshold: Prediction, radiologist: User, sign_in: Callable[[User], Client]
) -> None:
    study = near_the_threshold.radiograph.study
    browser = sign_in(radiologist)
    addresses = [
        reverse("review:study", args=[study.pk]),
        reverse("review:worklist"),
        reverse("records:patient", args=[study.patient_id]),
    ]
    for address in addresses:
        page = browser.get(address).content.decode()
        assert "· 73 %" in page, address
        assert "· 74 %" not in page, address
    page = browser.get(addresses[0]).content.decode()
    assert "Likely from 74 %" in page
