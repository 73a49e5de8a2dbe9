"""A trial and weeks of the active version, for looking at their pages."""

from datetime import timedelta

import numpy as np
from django.utils import timezone

from tests.oversight.cases import make_answer
from webportal.accounts.models import User
from webportal.inference.models import ModelVersion, Prediction
from webportal.oversight.drift.weeks import WEEK, last_complete_week
from webportal.oversight.models import DriftWeek, Shadow


def fill_oversight(active: ModelVersion, newer: ModelVersion, by: User) -> Shadow:
    """A running trial of what has results already, and half a year of weeks."""
    now = timezone.now()
    trial = Shadow.objects.create(
        model_version=newer,
        beside=active,
        share=50,
        started_at=now - timedelta(days=9),
        started_by=by,
        ends_at=now + timedelta(days=19),
        planned_until=now,
    )
    random = np.random.default_rng(5)
    for result in Prediction.objects.filter(is_current=True):
        if result.probability is None or random.random() < 0.1:
            make_answer(trial, None, result)
        else:
            score = float(np.clip(result.probability + random.normal(0.03, 0.15), 0.01, 0.99))
            make_answer(trial, score, result)
    _fill_weeks(active, random)
    return trial


def _fill_weeks(active: ModelVersion, random: np.random.Generator) -> None:
    weeks = 20
    for number in range(weeks):
        is_reference, is_new = number < 4, number > 16
        scored = int(random.integers(230, 330))
        refused, newcomer = int(random.integers(2, 9)), 60 if is_new else 0
        DriftWeek.objects.create(
            model_version=active,
            starts_on=last_complete_week() - (weeks - 1 - number) * WEEK,
            computed_at=timezone.now(),
            scored=scored,
            is_reference=is_reference,
            reference_scored=0 if is_reference else 1100,
            psi=None if is_reference else float(random.uniform(0.03, 0.08)) + 0.25 * is_new,
            ks=None if is_reference else float(random.uniform(0.04, 0.09)) + 0.12 * is_new,
            figures={
                "results": {"scored": scored, "refused": refused, "outside": 12, "withheld": 7},
                "ages": {"under_1": 12, "1_to_5": scored - 20, "18_to_64": 12, "unknown": 15},
                "views": {"ap": scored - 40, "pa": 40, "not_frontal": 7, "unknown": 12},
                "equipment": {
                    "Acme · DR 100": scored - newcomer - 30,
                    "Acme · Mobile": 40,
                    "others": 9 + refused,
                }
                | ({"Newco · CR 2": newcomer} if newcomer else {}),
                "reads": 140,
                "overruled": int(random.integers(6, 14)) + 14 * is_new,
            },
        )
