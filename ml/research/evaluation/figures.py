"""Performance figures of a classifier, from labelled images and calibrated probabilities."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ml.research.datasets.radiographs import LabelledImage
from ml.research.evaluation import bootstrap
from ml.research.evaluation.bootstrap import Interval
from ml.serving.calibration import Floats
from ml.serving.package import OperatingPoint

ECE_BINS = 10
METHOD = {
    "counted": "figures are those of the assessed images; accuracy_refused_as_wrong counts a"
    " refused image as a wrong answer",
    "accuracy, sensitivity, specificity": "at the operating point 'decision'",
    "intervals": f"{bootstrap.CONFIDENCE:.0%}, percentile bootstrap over patients,"
    f" {bootstrap.REPLICATES} replicates, seed 0; a share of 0 or 1, which has no spread, has the"
    " exact bound for as many independent patients",
    "ece": f"expected calibration error over {ECE_BINS} equally wide bins",
}


@dataclass(frozen=True)
class Cases:
    """Labelled images and the model's results; each array is (n,).

    ``kinds`` are those of ``LabelledImage``. ``probabilities`` and ``bacterial_probabilities`` are
    calibrated, and NaN where the image was refused; the latter is None for a model without them.
    """

    kinds: NDArray[np.str_]
    patients: NDArray[np.str_]
    probabilities: Floats
    bacterial_probabilities: Floats | None = None

    @classmethod
    def of(
        cls,
        images: Sequence[LabelledImage],
        probabilities: Floats,
        bacterial_probabilities: Floats | None = None,
    ) -> Self:
        """Take kinds and patients from labelled images."""
        return cls(
            np.array([image.kind for image in images]),
            np.array([image.patient for image in images]),
            probabilities,
            bacterial_probabilities,
        )

    def subset(self, chosen: NDArray[np.bool_]) -> Self:
        """Return the selected cases, (n,)."""
        bacterial = self.bacterial_probabilities
        return type(self)(
            self.kinds[chosen],
            self.patients[chosen],
            self.probabilities[chosen],
            None if bacterial is None else bacterial[chosen],
        )

    @property
    def targets(self) -> Floats:
        """Return 1 for pneumonia and 0 for normal."""
        return np.asarray(self.kinds != "normal", np.float64)

    @property
    def assessed(self) -> NDArray[np.bool_]:
        """Which images were not refused."""
        return ~np.isnan(self.probabilities)


def auroc(targets: Floats, scores: Floats) -> float:
    """Area under the ROC curve, by the Mann-Whitney statistic; ties count one half.

    ``targets`` (n,) are 0 or 1, ``scores`` (n,) higher for 1. NaN when a class is missing.
    """
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    positive = targets == 1
    n_positive, n_negative = positive.sum(), (~positive).sum()
    if not n_positive or not n_negative:
        return float("nan")
    statistic = ranks[positive].sum() - n_positive * (n_positive + 1) / 2
    return float(statistic / (n_positive * n_negative))


def counts_by_threshold(targets: Floats, scores: Floats) -> tuple[Floats, Floats, Floats]:
    """Return each distinct score, descending, and the true and false positives at or above it."""
    order = np.argsort(scores)[::-1]
    falling = scores[order]
    last = np.append(np.flatnonzero(np.diff(falling)), len(falling) - 1)
    true = np.cumsum(targets[order])[last]
    return falling[last], true, last + 1 - true


def average_precision(targets: Floats, scores: Floats) -> float:
    """Precision at each threshold, weighted by the recall gained there; NaN for a single class.

    Not interpolated: interpolation flatters (Davis and Goadrich, ICML 2006).
    """
    positives = targets.sum()
    if positives in (0, len(targets)):
        return float("nan")
    _, true, false = counts_by_threshold(targets, scores)
    gained = np.diff(true, prepend=0) / positives
    return float((gained * true / (true + false)).sum())


def expected_calibration_error(
    targets: Floats, probabilities: Floats, bins: int = ECE_BINS
) -> float:
    """Mean gap between probability and frequency, over equally wide bins. NaN without cases.

    Naeini et al., *Obtaining Well Calibrated Probabilities Using Bayesian Binning* (AAAI 2015).
    """
    if not len(targets):
        return float("nan")
    index = np.minimum((probabilities * bins).astype(int), bins - 1)
    gaps = np.bincount(index, probabilities - targets, bins)
    return float(np.abs(gaps).sum() / len(targets))


def measure(
    cases: Cases,
    thresholds: Mapping[str, float],
    *,
    replicates: int = bootstrap.REPLICATES,
) -> dict[str, Any]:
    """Return the figures of some images, for JSON. NaN is given as None.

    ``thresholds`` are those of the operating points. ``accuracy``, ``sensitivity`` and
    ``specificity`` are those at *decision*; ``operating_points`` has the latter two at each.
    ``METHOD`` says how they are counted. The 95 % interval of a figure is beside it, under its name
    with ``_interval``.
    """
    measured = _Measured(_means(cases, thresholds), _scores(cases), cases.patients, replicates)
    positive = cases.targets == 1
    bacterial = None
    if cases.bacterial_probabilities is not None:
        known = _known_subtype(cases)
        share = _mean(cases.kinds[known] == "bacteria")
        bacterial = {
            "n": int(known.sum()),
            "accuracy_of_the_commoner": _number(max(share, 1 - share)),
            **measured.block("auroc", "accuracy", "brier", "ece", within="subtype"),
        }
    return {
        "n": len(cases.kinds),
        "n_pneumonia": int(positive.sum()),
        "n_patients": len(np.unique(cases.patients)),
        **measured.block(
            "refused",
            "auroc",
            "average_precision",
            "accuracy",
            "accuracy_refused_as_wrong",
            "sensitivity",
            "specificity",
            "brier",
            "ece",
        ),
        "operating_points": {
            name: {
                "threshold": threshold,
                **measured.block("sensitivity", "specificity", within=name),
            }
            for name, threshold in thresholds.items()
        },
        "subtypes": {
            kind: {
                "n": int((cases.assessed & (cases.kinds == kind)).sum()),
                **measured.block("sensitivity", within=kind),
            }
            for kind in ("bacteria", "virus")
        },
        "bacterial_against_viral": bacterial,
    }


def measure_groups(
    cases: Cases, groups: Sequence[str], thresholds: Mapping[str, float]
) -> dict[str, dict[str, Any]]:
    """Return what ``measure`` does for each group, by name; ``groups`` (n,) names that of a case.

    A group with only one class has no AUROC.
    """
    named = np.array(groups)
    return {name: measure(cases.subset(named == name), thresholds) for name in sorted(set(groups))}


def operating_point(cases: Cases, threshold: float, criterion: str) -> OperatingPoint:
    """Return a threshold with its sensitivity and specificity on these images."""
    called, positive = cases.probabilities >= threshold, cases.targets == 1
    shares = _at_threshold(called, positive, cases.assessed)
    measured = _Measured(shares, lambda _: {}, cases.patients, bootstrap.REPLICATES)
    return OperatingPoint(
        threshold=threshold,
        criterion=criterion,
        sensitivity=measured.values["sensitivity"],
        specificity=measured.values["specificity"],
        sensitivity_interval=measured.intervals["sensitivity"],
        specificity_interval=measured.intervals["specificity"],
    )


class _Measured:
    """Figures by name, with their intervals.

    ``means`` (n,) of each image are averaged, NaN not counted; ``scores`` are those of the images
    at some positions.
    """

    def __init__(
        self,
        means: Mapping[str, Floats],
        scores: bootstrap.Figures,
        patients: NDArray[np.str_],
        replicates: int,
    ) -> None:
        values = np.stack(list(means.values()))
        counted = ~np.isnan(values)
        values = np.nan_to_num(values)
        weights = counted.astype(np.float64)

        def figures(positions: NDArray[np.intp]) -> dict[str, float]:
            times = np.bincount(positions, minlength=len(patients)).astype(np.float64)
            with np.errstate(invalid="ignore"):
                averages = (values @ times) / (weights @ times)
            return {**dict(zip(means, averages.tolist(), strict=True)), **scores(positions)}

        self.values = figures(np.arange(len(patients)))
        self.intervals: dict[str, Interval] = bootstrap.intervals(
            figures, patients, replicates=replicates
        )
        for name, row in zip(means, counted, strict=True):
            n_patients = len(np.unique(patients[row]))
            self.intervals[name] = bootstrap.widened(
                self.intervals[name], self.values[name], n_patients
            )

    def block(self, *names: str, within: str = "") -> dict[str, object]:
        """Return figures and their intervals for JSON."""
        keys = {name: f"{within} {name}".strip() for name in names}
        found: dict[str, object] = {}
        for name, key in keys.items():
            found[name] = _number(self.values[key])
            found[f"{name}_interval"] = [_number(end) for end in self.intervals[key]]
        return found


def _means(cases: Cases, thresholds: Mapping[str, float]) -> dict[str, Floats]:
    """Return each figure that is a mean over images: (n,), NaN where an image does not count."""
    assessed, positive = cases.assessed, cases.targets == 1
    called = {name: cases.probabilities >= threshold for name, threshold in thresholds.items()}
    decided = called["decision"]
    means = {
        "refused": (~assessed).astype(np.float64),
        "accuracy": _where(assessed, decided == positive),
        "accuracy_refused_as_wrong": (assessed & (decided == positive)).astype(np.float64),
        **_at_threshold(decided, positive, assessed),
        "brier": (cases.probabilities - cases.targets) ** 2,
    }
    for name, positively in called.items():
        for key, share in _at_threshold(positively, positive, assessed).items():
            means[f"{name} {key}"] = share
    for kind in ("bacteria", "virus"):
        means[f"{kind} sensitivity"] = _where(assessed & (cases.kinds == kind), decided)
    if cases.bacterial_probabilities is not None:
        known, is_bacterial = _known_subtype(cases), cases.kinds == "bacteria"
        bacterial = cases.bacterial_probabilities
        means["subtype accuracy"] = _where(known, (bacterial >= 0.5) == is_bacterial)
        means["subtype brier"] = _where(known, (bacterial - is_bacterial) ** 2)
    return means


def _at_threshold(
    called: NDArray[np.bool_], positive: NDArray[np.bool_], assessed: NDArray[np.bool_]
) -> dict[str, Floats]:
    return {
        "sensitivity": _where(assessed & positive, called),
        "specificity": _where(assessed & ~positive, ~called),
    }


def _where(counted: NDArray[np.bool_], values: Floats | NDArray[np.bool_]) -> Floats:
    return np.where(counted, values, np.nan)


def _scores(cases: Cases) -> bootstrap.Figures:
    """Return a function that gives each figure that is not a mean, of the images at positions."""
    assessed, targets, known = cases.assessed, cases.targets, _known_subtype(cases)
    is_bacterial = (cases.kinds == "bacteria").astype(np.float64)

    def scores(positions: NDArray[np.intp]) -> dict[str, float]:
        counted = positions[assessed[positions]]
        labels, probabilities = targets[counted], cases.probabilities[counted]
        figures = {
            "auroc": auroc(labels, probabilities),
            "average_precision": average_precision(labels, probabilities),
            "ece": expected_calibration_error(labels, probabilities),
        }
        if cases.bacterial_probabilities is not None:
            counted = positions[known[positions]]
            labels, probabilities = is_bacterial[counted], cases.bacterial_probabilities[counted]
            figures["subtype auroc"] = auroc(labels, probabilities)
            figures["subtype ece"] = expected_calibration_error(labels, probabilities)
        return figures

    return scores


def _known_subtype(cases: Cases) -> NDArray[np.bool_]:
    return cases.assessed & np.isin(cases.kinds, ("bacteria", "virus"))


def _mean(values: Floats | NDArray[np.bool_]) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 4)
