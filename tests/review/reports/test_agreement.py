"""Cohen's kappa, its interval, and its visibility."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django.fixtures import Settings

from tests.conftest import PASSWORD
from tests.factories import make_prediction
from tests.reading import sign
from webportal.accounts.models import Role, User
from webportal.review.models import Read, SecondReadingReason
from webportal.review.reads.services import Entry
from webportal.review.reports.agreement import (
    Agreement,
    reader_against_reader,
    readers_against_model,
    reads_between,
)


@pytest.mark.parametrize(
    ("table", "kappa", "low", "high"),
    [
        # Worked by hand from the two papers' formulas; 20, 5, 10, 15 is the usual textbook table.
        (Agreement(20, 5, 10, 15), 0.4, 0.1511, 0.6489),
        (Agreement(40, 9, 6, 45), 0.7, 0.5602, 0.8398),
        (Agreement(25, 25, 25, 25), 0.0, -0.1960, 0.1960),
    ],
)
def test_kappa_and_its_interval(table: Agreement, kappa: float, low: float, high: float) -> None:
    assert table.kappa == pytest.approx(kappa, abs=5e-4)
    assert table.interval == pytest.approx((low, high), abs=5e-3)


def test_only_one_reason_for_a_second_read_is_chance() -> None:
    """Studies chosen for anything else are harder than most and not among `only_drawn`."""
    reasons = {SecondReadingReason.DRAWN: True, SecondReadingReason.OVERRULED: False}
    assert set(reasons) == set(SecondReadingReason), "reader_against_reader in agreement.py"


@pytest.mark.parametrize("table", [Agreement(0, 0, 0, 0), Agreement(9, 0, 0, 0)])
def test_kappa_is_undefined_without_variation(table: Agreement) -> None:
    assert table.kappa is None
    assert table.interval is None


@pytest.mark.parametrize(
    ("table", "kappa"), [(Agreement(5, 0, 2, 0), 0.0), (Agreement(50, 0, 0, 50), 1.0)]
)
def test_no_interval_claims_certainty(table: Agreement, kappa: float) -> None:
    assert table.kappa == pytest.approx(kappa)
    assert table.interval is None


def read(reader: User, category: str, decision: str, finding: str) -> Read:
    seen = make_prediction(category=category)
    return sign(seen.radiograph.study, reader, Entry(seen.pk, decision, finding), PASSWORD)


@pytest.mark.django_db
def test_readers_against_the_model(radiologist: User, make_user: Callable[..., User]) -> None:
    other = make_user(Role.RADIOLOGIST, username="other")
    read(radiologist, "likely", "confirm", "possible")
    read(radiologist, "likely", "overrule", "none")
    read(radiologist, "unlikely", "confirm", "none")
    read(radiologist, "unlikely", "not_interpretable", "")
    read(radiologist, "not_assessable", "unaided", "definite")
    read(other, "unlikely", "overrule", "definite")
    reads = reads_between(None, None)
    assert readers_against_model(reads) == Agreement(1, 1, 1, 1)
    assert readers_against_model(reads, radiologist) == Agreement(1, 0, 1, 1)
    tomorrow = timezone.localdate() + timedelta(days=1)
    assert readers_against_model(reads_between(tomorrow, None)).count == 0
    assert readers_against_model(reads_between(None, tomorrow)).count == 4


@pytest.mark.django_db
def test_reader_against_reader(
    radiologist: User, make_user: Callable[..., User], settings: Settings
) -> None:
    settings.SECOND_READING, settings.SECOND_READING_SHARE = True, 1.0
    other = make_user(Role.RADIOLOGIST, username="other")
    third = make_user(Role.RADIOLOGIST, username="third")
    seen = make_prediction(category="unlikely")
    study = seen.radiograph.study
    sign(study, radiologist, Entry(seen.pk, "confirm", "none"), PASSWORD)
    sign(study, other, Entry(seen.pk, "overrule", "possible"), PASSWORD)
    settings.SECOND_READING_SHARE = 0.0
    positive = make_prediction(category="likely")
    study = positive.radiograph.study
    sign(study, other, Entry(positive.pk, "overrule", "none"), PASSWORD)
    sign(study, radiologist, Entry(positive.pk, "overrule", "none"), PASSWORD)
    reads = reads_between(None, None)
    assert reader_against_reader(reads) == Agreement(0, 0, 1, 1)
    assert reader_against_reader(reads, only_drawn=True) == Agreement(0, 0, 1, 0)
    # Of one reader's own figures that reader is the first rater.
    assert reader_against_reader(reads, other) == Agreement(0, 1, 0, 1)
    assert reader_against_reader(reads, third).count == 0


@pytest.mark.django_db
def test_readers_see_their_own_figures_and_the_others_pooled_ones(
    radiologist: User, it_person: User, auditor: User, sign_in: Callable[[User], Client]
) -> None:
    read(radiologist, "likely", "confirm", "definite")
    for person, own in ((radiologist, True), (it_person, False), (auditor, False)):
        answer = sign_in(person).get(reverse("review:agreement"), {"since": "2000-01-01"})
        text = answer.content.decode()
        assert ("You and the model" in text) == own
        assert "All readers and the model" in text
        assert radiologist.username not in text.split("<main")[1] or own
