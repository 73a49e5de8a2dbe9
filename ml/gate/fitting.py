"""Fitting the gate to real radiographs and to outsiders, and measuring it on others.

Needs the extra `evaluation`; nothing here is loaded when serving.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ml import outsiders
from ml.calibration import Floats
from ml.gate.decision import (
    CHEST,
    CROPPED_CHEST,
    NOT_FRONTAL_CHEST,
    OTHER,
    Classifier,
    Gate,
    Gaussian,
    Likeness,
)
from ml.gate.measures import contrast, thumbnails
from ml.gate.orientation import UPRIGHT, Turn, applied, fit_upright
from ml.gate.righting import embeddings_only, judge
from ml.outsiders import transformed

Embed = Callable[[NDArray[np.uint8]], Floats]

SHRINKAGE = 0.1
DIRECTIONS = 32
SMALLEST_CONTRAST_SHARE = 0.5
# How far beyond the farthest radiograph a picture may be before it is refused whatever it is.
FAR = 1.1
# The shares of real radiographs that the classifier refuses, and that it is not sure of.
REFUSED_SHARE = 0.003
UNSURE_SHARE = 0.02
# The smaller, the simpler the classifier.
REGULARISATION = 0.05
BATCH = 32
PER_KIND = 100


class Seen(NamedTuple):
    """Real upright radiographs, (n, size, size) uint8, with the network's embeddings (n, d)."""

    inputs: NDArray[np.uint8]
    embeddings: Floats


def fit_gate(
    training: Seen, choosing: Seen, embed: Embed, per_kind: int = PER_KIND, seed: int = 0
) -> Gate:
    """Fit the gate; ``embed`` gives the network's embeddings of any inputs.

    ``training`` are the images that the network was trained on, with augmented copies, so that
    other sharpness, brightness and framing count as like the rest. The limits are chosen on
    ``choosing``, images that the network never saw. There are ``per_kind`` outsiders of each kind,
    and twice as many where they are made from radiographs.
    """
    small = thumbnails(choosing.inputs)
    layout = Gaussian.fit(thumbnails(training.inputs), SHRINKAGE)
    embedding = Gaussian.fit(training.embeddings, SHRINKAGE)
    likeness = Likeness(
        Gaussian(layout.mean, layout.whitening, FAR * float(layout.distance(small).max())),
        Gaussian(
            embedding.mean,
            embedding.whitening,
            FAR * float(embedding.distance(choosing.embeddings).max()),
        ),
        _main_directions(training.embeddings),
    )
    made = outsiders.for_fitting(training.inputs, per_kind, np.random.default_rng(seed))
    weights, biases = _fit_classifier(likeness, training, list(made.values()), embed)
    unlimited = Classifier(weights, biases, -np.inf, -np.inf)
    scores = unlimited.score(likeness.features(choosing.inputs, choosing.embeddings))
    limit, sure_limit = np.quantile(scores, (REFUSED_SHARE, UNSURE_SHARE)).tolist()
    return Gate(
        contrast_limit=float(contrast(training.inputs).min() * SMALLEST_CONTRAST_SHARE),
        likeness=likeness,
        classifier=Classifier(weights, biases, limit, sure_limit),
        upright=fit_upright(thumbnails(training.inputs)),
    )


def _main_directions(embeddings: Floats) -> Floats:
    """Return the principal axes (d, k), each over its standard deviation."""
    covariance = np.cov(embeddings.astype(np.float64), rowvar=False)
    variances, axes = np.linalg.eigh(covariance)
    kept = min(DIRECTIONS, len(variances))
    return np.asarray(axes[:, -kept:] / np.sqrt(variances[-kept:].clip(1e-12)), np.float32)


def _fit_classifier(
    likeness: Likeness, training: Seen, made: list[outsiders.Outsiders], embed: Embed
) -> tuple[Floats, Floats]:
    """Fit a multinomial logistic regression; return weights (3, f) and biases (3,)."""
    from sklearn.linear_model import LogisticRegression

    features = [likeness.features(training.inputs, training.embeddings)]
    classes = [np.full(len(training.inputs), CHEST)]
    for kind in made:
        features.append(likeness.features(kind.pictures, embed(kind.pictures)))
        of = CROPPED_CHEST if kind.group == "cropped" else OTHER
        classes.append(np.full(len(kind.pictures), of))
    together = np.concatenate(features)
    mean, deviation = together.mean(axis=0), together.std(axis=0) + 1e-6
    fitted = LogisticRegression(C=REGULARISATION, class_weight="balanced", max_iter=500).fit(
        (together - mean) / deviation, np.concatenate(classes)
    )
    # The standardisation becomes part of the weights.
    weights = fitted.coef_ / deviation
    biases = fitted.intercept_ - weights @ mean
    return weights.astype(np.float32), biases.astype(np.float32)


def measure_gate(
    gate: Gate, measured: Seen, embed: Embed, per_kind: int = PER_KIND, seed: int = 1
) -> dict[str, Any]:
    """Measure on radiographs and outsiders that nothing was fitted to or chosen on; for JSON.

    All are shares. ``radiographs``, real and upright: ``refused``, and ``turned``, those that would
    be put "right" if they were refused. ``mirrored``: the same ones mirrored. ``outsiders``, by
    kind: ``refused``; let through after they were put right, ``righted``, and by another turn than
    the one that undoes what was done to them, ``righted_wrongly``; ``named``, refused with a reason
    that says more than *not a frontal chest*. ``clear_outsiders`` sums up all those that cannot be
    put right and are not merely cropped.
    """
    made = outsiders.for_measuring(measured.inputs, per_kind, np.random.default_rng(seed))
    by_kind = {}
    for kind, (group, pictures, unseen) in made.items():
        turn = transformed.MISORIENTED.get(kind)
        figures = _measured(gate, pictures, embed, turn.undone if turn else None)
        by_kind[kind] = {"group": group, "unseen": unseen, **figures}
    refused = gate.check(measured.inputs, measured.embeddings)
    return {
        "radiographs": {
            "n": len(measured.inputs),
            "refused": _share([refusal is not None for refusal in refused]),
            "turned": _share(_turned_if_refused(gate, measured.inputs, embed)),
        },
        "mirrored": _measured(gate, measured.inputs[:, :, ::-1], embed, None),
        "clear_outsiders": _summed([f for f in by_kind.values() if f["group"] == "other"]),
        "outsiders": by_kind,
    }


def _measured(
    gate: Gate, pictures: NDArray[np.uint8], embed: Embed, undone_by: Turn | None
) -> dict[str, float]:
    refusals, turns = [], []
    forward = embeddings_only(embed)
    for start in range(0, len(pictures), BATCH):
        batch = pictures[start : start + BATCH]
        judged = judge(gate, batch, forward(batch), forward)
        refusals += judged.refusals
        turns += judged.turns
    righted = [turn != UPRIGHT for turn in turns]
    wrongly = [turn not in (UPRIGHT, undone_by) for turn in turns]
    named = [r is not None and r is not NOT_FRONTAL_CHEST for r in refusals]
    return {
        "n": len(pictures),
        "refused": _share([refusal is not None for refusal in refusals]),
        "righted": _share(righted),
        "righted_wrongly": _share(wrongly),
        "named": _share(named),
    }


def _turned_if_refused(gate: Gate, inputs: NDArray[np.uint8], embed: Embed) -> list[bool]:
    """Tell which upright radiographs would be turned or inverted if they did not pass first."""
    turns = gate.righting_turns(inputs)
    suspected = [i for i, turn in enumerate(turns) if turn != UPRIGHT]
    if not suspected:
        return [False] * len(inputs)
    righted = np.stack([applied(turns[i], inputs[i]) for i in suspected])
    sure = gate.is_sure(righted, embed(righted))
    wrong = {i for i, is_sure in zip(suspected, sure, strict=True) if is_sure}
    return [i in wrong for i in range(len(inputs))]


def _summed(figures: list[dict[str, Any]]) -> dict[str, float]:
    n = sum(kind["n"] for kind in figures)
    shares = {
        name: round(sum(kind[name] * kind["n"] for kind in figures) / n, 4)
        for name in ("refused", "righted")
    }
    return {"n": n, **shares}


def _share(flags: list[bool]) -> float:
    return round(float(np.mean(flags)), 4)
