"""Fitting the gate to radiographs from several sources and to OOD images.

Needs the extra `training`; not loaded when serving.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ml.research import ood_samples
from ml.research.datasets.variation import vary_chest
from ml.research.ood_samples import transformed
from ml.serving.calibration import Floats
from ml.serving.gate.decision import CHEST, CROPPED_CHEST, OTHER, Classifier, Gate, features
from ml.serving.gate.measures import contrast, thumbnails
from ml.serving.gate.orientation import fit_upright

Pixels = NDArray[np.uint8]
Layouts = Callable[[Pixels], Floats]

SMALLEST_CONTRAST_SHARE = 0.5
# The shares of each source's radiographs that the classifier refuses, and that it is not sure of.
REFUSED_SHARE = 0.01
UNSURE_SHARE = 0.03
# Weaker principal components count less: in them an unseen source differs most.
DIRECTIONS = 128
REGULARISATION = 0.05
# The weight of the substitutes for lateral views; real ones may not be used for fitting.
SIDELONG_WEIGHT = 4.0
# Kinds of OOD images with their own class.
OWN_CLASSES = (*transformed.MISORIENTED, *transformed.SLICED, ood_samples.SIDELONG)
PER_KIND = 40
VARIED = 700


class Source(NamedTuple):
    """Upright radiographs of one source, (n, size, size): to fit to, and to choose limits by.

    No patient is in both.
    """

    fitted: Pixels
    choosing: Pixels


def fit_gate(
    sources: Sequence[Source],
    layouts_of: Layouts,
    others: Pixels | None = None,
    per_kind: int = PER_KIND,
    varied: int = VARIED,
    seed: int = 0,
) -> Gate:
    """Fit the gate; ``layouts_of`` gives the network's layouts (n, p, p, c) of any inputs.

    Each source contributes ``varied`` augmented radiographs beside its own, and OOD images made
    from it, ``per_kind`` of each kind. ``others`` are real images without a chest.
    """
    rng = np.random.default_rng(seed)
    everybody = np.concatenate([source.fitted for source in sources])
    chests, made = [], []
    for source in sources:
        chosen = rng.choice(len(source.fitted), varied, replace=varied > len(source.fitted))
        donors = everybody[rng.integers(len(everybody), size=varied)]
        changed = [
            vary_chest(source.fitted[i], donor, rng)
            for i, donor in zip(chosen, donors, strict=True)
        ]
        chests += [source.fitted, np.stack(changed)]
        made += list(ood_samples.from_radiographs(source.fitted, per_kind, rng).items())
    made += ood_samples.from_elsewhere(0, everybody.shape[1], per_kind, rng).items()
    if others is not None and len(others):
        made.append(("real", ood_samples.Samples("real", others)))
    return fit_to(sources, chests, made, layouts_of)


def fit_to(
    sources: Sequence[Source],
    chests: Sequence[Pixels],
    made: Sequence[tuple[str, ood_samples.Samples]],
    layouts_of: Layouts,
) -> Gate:
    """Fit the gate to given chests, the sources' own and augmented ones, and OOD images by kind."""
    everybody = np.concatenate([source.fitted for source in sources])
    classifier = _fit_classifier(chests, made, layouts_of)
    scores = [
        classifier.score(features(source.choosing, layouts_of(source.choosing)))
        for source in sources
    ]
    limit, sure_limit = (
        float(min(np.quantile(of_source, share) for of_source in scores))
        for share in (REFUSED_SHARE, UNSURE_SHARE)
    )
    return Gate(
        contrast_limit=float(contrast(everybody).min() * SMALLEST_CONTRAST_SHARE),
        classifier=Classifier(classifier.weights, classifier.biases, limit, sure_limit),
        upright=fit_upright(thumbnails(everybody)),
    )


def _fit_classifier(
    chests: Sequence[Pixels],
    made: Sequence[tuple[str, ood_samples.Samples]],
    layouts_of: Layouts,
) -> Classifier:
    """Fit a multinomial logistic regression on the principal components, without limits yet."""
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression

    parts = [*chests, *(kind.pictures for _, kind in made)]
    sizes = [len(part) for part in parts]
    classes = [CHEST] * len(chests) + [_class_of(name, kind) for name, kind in made]
    importance = [SIDELONG_WEIGHT if name == ood_samples.SIDELONG else 1.0 for name, _ in made]
    # Chests have the same total weight as all OOD images.
    ood_weight = np.dot(importance, sizes[len(chests) :])
    importance = [ood_weight / sum(sizes[: len(chests)])] * len(chests) + importance
    weighed = np.concatenate([features(part, layouts_of(part)) for part in parts])
    places = layouts_of(parts[0][:1]).size
    numbers, layouts = weighed[:, :-places], weighed[:, -places:]
    means, deviations = _spread(layouts)
    layouts -= means
    layouts /= deviations
    directions = min(DIRECTIONS, *layouts.shape)
    pca = PCA(directions, svd_solver="randomized", random_state=0).fit(layouts)
    strengths = np.sqrt(pca.explained_variance_)
    axes = pca.components_.T / np.sqrt(strengths * strengths[0])
    number_means, number_deviations = _spread(numbers)
    weighed = np.concatenate(
        [(numbers - number_means) / number_deviations, (layouts - pca.mean_) @ axes], axis=1
    )
    fitted = LogisticRegression(C=REGULARISATION, max_iter=500).fit(
        weighed, np.repeat(classes, sizes), np.repeat(importance, sizes)
    )
    # All transformations of the features are folded into the weights.
    split = numbers.shape[1]
    of_numbers = fitted.coef_[:, :split] / number_deviations
    of_places = fitted.coef_[:, split:] @ axes.T / deviations
    biases = (
        fitted.intercept_ - of_numbers @ number_means - of_places @ (means + pca.mean_ * deviations)
    )
    weights = np.concatenate([of_numbers, of_places], axis=1)
    return Classifier(weights.astype(np.float32), biases.astype(np.float32), -np.inf, -np.inf)


def _class_of(name: str, kind: ood_samples.Samples) -> int:
    """Return the class of a kind of OOD images.

    The kinds nearest to chests, each on a side of its own, have classes of their own.
    """
    if kind.group == "cropped":
        return CROPPED_CHEST
    return OTHER + 1 + OWN_CLASSES.index(name) if name in OWN_CLASSES else OTHER


def _spread(values: Floats) -> tuple[Floats, Floats]:
    """Return means and standard deviations of the columns, none of these nearly zero."""
    deviations = values.std(axis=0) + 1e-3 * values.std() + 1e-6
    return values.mean(axis=0), deviations
