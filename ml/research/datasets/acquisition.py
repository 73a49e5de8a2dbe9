"""How an image was acquired, apart from its findings: the shortcut in this kind of data set.

In the training set, contrast, black borders and sharpness alone separate normal from pneumonia with
an AUROC of 0.94, because the two classes were not collected in the same way. A network that learns
this fails where the acquisition differs. This module quantifies it, so that training can be
balanced for it and a fold can be held out in which it misleads.
"""

import numpy as np
from numpy.typing import NDArray

from ml.research.datasets.radiographs import LabelledImage, labels, load_inputs
from ml.serving.calibration import Floats, sigmoid

PERCENTILES = (1, 5, 10, 25, 50, 75, 90, 95, 99)
OCTAVES = 4
RIM = 1 / 19
RIDGE = 0.5
CROSS_FITS = 5
CHUNK = 256
# The image size at which a fold is chosen.
FOLD_SIZE = 224


def acquisition_traits(inputs: NDArray[np.uint8]) -> Floats:
    """Measure network inputs (n, size, size): (n, 21), each trait standardised.

    Grey levels (percentiles, mean, deviation, share of black and of white), mean grey of the four
    rims, and the energy of four octaves of detail, which sharpness, noise and compression change.
    """
    chunks = range(0, len(inputs), CHUNK)
    traits = np.concatenate([_traits(inputs[start : start + CHUNK]) for start in chunks])
    return np.asarray((traits - traits.mean(axis=0)) / (traits.std(axis=0) + 1e-6))


def _traits(inputs: NDArray[np.uint8]) -> Floats:
    pixels = inputs.astype(np.float32)
    flat = pixels.reshape(len(pixels), -1)
    rim = round(pixels.shape[1] * RIM)
    rims = (pixels[:, :rim], pixels[:, -rim:], pixels[:, :, :rim], pixels[:, :, -rim:])
    columns = [
        *np.percentile(flat, PERCENTILES, axis=1),
        flat.mean(axis=1),
        flat.std(axis=1),
        (flat < 8).mean(axis=1),
        (flat > 247).mean(axis=1),
        *(part.mean(axis=(1, 2)) for part in rims),
    ]
    for _ in range(OCTAVES):
        n, size, _ = pixels.shape
        coarse = pixels.reshape(n, size // 2, 2, size // 2, 2).mean(axis=(2, 4))
        detail = pixels - coarse.repeat(2, axis=1).repeat(2, axis=2)
        columns.append(np.log(np.abs(detail).mean(axis=(1, 2)) + 0.1))
        pixels = coarse
    return np.stack(columns, axis=1)


def propensities(traits: Floats, targets: Floats, patients: list[str], seed: int = 0) -> Floats:
    """Return how likely pneumonia seems from traits (n, d) alone: (n,).

    Logistic regression with both classes of equal weight; each patient's images are scored by a fit
    without that patient.
    """
    names = sorted(set(patients))
    parts = np.random.default_rng(seed).integers(0, CROSS_FITS, len(names))
    part_of = dict(zip(names, parts, strict=True))
    part = np.array([part_of[patient] for patient in patients])
    design = np.concatenate([traits, np.ones((len(traits), 1))], axis=1)
    balance = np.where(targets == 1, 0.5 / targets.mean(), 0.5 / (1 - targets.mean()))
    estimates = np.zeros(len(targets))
    for held_out in range(CROSS_FITS):
        fitted = part != held_out
        weights = _fit(design[fitted], targets[fitted], balance[fitted])
        estimates[~fitted] = sigmoid(design[~fitted] @ weights)
    return estimates


def overlap_weights(
    inputs: NDArray[np.uint8], targets: Floats, patients: list[str], seed: int
) -> Floats:
    """Return how much each image's acquisition resembles the other class's: (n,), 0 to 1.

    The overlap weights of Li, Morgan and Zaslavsky, *Balancing Covariates via Propensity Score
    Weighting* (JASA 113, 2018).
    """
    estimates = propensities(acquisition_traits(inputs), targets, patients, seed)
    return np.where(targets == 1, 1 - estimates, estimates)


def mixed_chances(weights: Floats, share: float) -> Floats:
    """Return sampling probabilities: a share in proportion to weights (n,), the rest uniform."""
    return np.asarray(share * weights / weights.sum() + (1 - share) / len(weights))


def _fit(design: Floats, targets: Floats, balance: Floats) -> Floats:
    """Fit a ridge logistic regression by Newton's method."""
    weights = np.zeros(design.shape[1])
    penalty = RIDGE * np.eye(len(weights))
    for _ in range(30):
        estimate = sigmoid(design @ weights)
        gradient = design.T @ (balance * (estimate - targets)) + RIDGE * weights
        curvature = balance * estimate * (1 - estimate)
        weights -= np.linalg.solve((design * curvature[:, None]).T @ design + penalty, gradient)
    return weights


def misleading(
    inputs: NDArray[np.uint8], labelled: list[LabelledImage], seed: int, share: float = 0.15
) -> NDArray[np.bool_]:
    """Choose a fold in which the acquisition misleads: (n,), true for its images.

    Its patients are a share of the normal patients, those whose images were acquired most like
    images with pneumonia, and the same share of the patients with pneumonia, at random.
    """
    targets = labels(labelled)
    patients = [image.patient for image in labelled]
    estimates = propensities(acquisition_traits(inputs), targets, patients, seed)
    normal: dict[str, list[float]] = {}
    for patient, estimate, target in zip(patients, estimates, targets, strict=True):
        if target == 0:
            normal.setdefault(patient, []).append(float(estimate))
    means = {patient: float(np.mean(theirs)) for patient, theirs in normal.items()}
    ordered = sorted(means, key=lambda patient: means[patient], reverse=True)
    ill = sorted({image.patient for image in labelled if image.is_pneumonia})
    np.random.default_rng(seed).shuffle(ill)
    chosen = ordered[: round(len(ordered) * share)] + ill[: round(len(ill) * share)]
    return np.isin(patients, chosen)


def acquisition_fold(labelled: list[LabelledImage], seed: int) -> NDArray[np.bool_]:
    """Choose the fold of ``misleading`` from the files: the same for any input size."""
    return misleading(load_inputs(labelled, FOLD_SIZE, "acquisition"), labelled, seed)
