"""Fitting what decides between the upper stages for children and those for adults.

A logistic regression on the trunk's features, averaged over their places. Where children and
adults come from different hospitals, it would learn to tell the hospitals apart and call a child
from elsewhere an adult. The few children and adolescents of the adults' source therefore make up a
fixed share of the children's weight, whatever their number.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from ml.research.datasets.label_sheet import AGE
from ml.research.datasets.radiographs import LabelledImage
from ml.research.evaluation import bootstrap
from ml.serving.calibration import Floats
from ml.serving.chooser import Chooser

#: The age from which a patient is an adult to the chooser.
ADULT_FROM = 16
# The share of the adults' source in the children's weight.
YOUNG_SHARE = 0.3
# The inverse of the penalty on the weights, for images that weigh 1 together.
STRENGTH = 100.0
OLDEST = 200
# Where the age groups of the figures begin, and the last one ends.
AGE_GROUPS = (0, 6, 12, 16, 18, 40, 65, OLDEST)


def ages_of(images: Sequence[LabelledImage]) -> Floats:
    """Return the ages that a sheet has, in years: (n,), NaN where it has none."""
    return np.array([float(image.columns.get(AGE) or "nan") for image in images])


def fit_chooser(means: Floats, is_child: np.ndarray, ages: Floats) -> Chooser:
    """Fit to mean features (n, channels) of changed copies.

    ``is_child`` (n,) are images of the children's source; ``ages`` (n,) counts for the others.
    Images of neither a child nor someone of known age are left out. Children and adults weigh the
    same.
    """
    known = is_child | ~np.isnan(ages)
    means, is_child, ages = means[known], is_child[known], ages[known]
    is_adult = ~is_child & (ages >= ADULT_FROM)
    is_young = ~is_child & ~is_adult
    share = YOUNG_SHARE if is_young.any() else 0.0
    weights = np.zeros(len(means))
    for members, weight in ((is_adult, 0.5), (is_child, (1 - share) / 2), (is_young, share / 2)):
        if members.any():
            weights[members] = weight / members.sum()
    centre, spread = means.mean(axis=0), means.std(axis=0) + 1e-6
    fitted = LogisticRegression(C=STRENGTH, max_iter=1000).fit(
        (means - centre) / spread, is_adult, sample_weight=weights
    )
    weights = fitted.coef_[0] / spread
    return Chooser(weights, float(fitted.intercept_[0] - centre @ weights))


def measure_choice(chosen: np.ndarray, patients: np.ndarray) -> dict[str, Any]:
    """Return how many images (n,) are taken for an adult's, with a 95 % interval over patients."""
    share = float(chosen.mean())

    def figures(positions: np.ndarray) -> dict[str, float]:
        return {"share": float(chosen[positions].mean())}

    interval = bootstrap.widened(
        bootstrap.intervals(figures, patients)["share"], share, len(np.unique(patients))
    )
    return {
        "n": len(chosen),
        "n_patients": len(np.unique(patients)),
        "as_adults": round(share, 4),
        "as_adults_interval": [round(end, 4) for end in interval],
    }


def by_age(chosen: np.ndarray, images: Sequence[LabelledImage]) -> dict[str, dict[str, Any]]:
    """Return ``measure_choice`` of images whose age a sheet has, by age group."""
    ages, patients = ages_of(images), np.array([image.patient for image in images])
    figures = {}
    for first, end in pairwise(AGE_GROUPS):
        members = (ages >= first) & (ages < end)
        if members.any():
            name = f"{first} to {end - 1} years" if end < OLDEST else f"{first} years and over"
            figures[name] = measure_choice(chosen[members], patients[members])
    return figures
