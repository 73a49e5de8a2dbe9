"""Plots of an evaluation. Needs matplotlib, which serving does not."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from numpy.typing import NDArray

from ml import images
from ml.research.datasets.radiographs import LabelledImage
from ml.research.evaluation.figures import (
    ECE_BINS,
    Cases,
    auroc,
    average_precision,
    counts_by_threshold,
    expected_calibration_error,
)
from ml.serving.calibration import Floats
from ml.serving.preprocessing import eight_bits, squeeze

DPI = 120
MARKERS = {"unlikely": "v", "decision": "o", "likely": "^"}
SHEET_COLUMNS, SHEET_ROWS = 6, 4
THUMBNAIL = 224
LINE = "#1f5fa8"
GUIDE: dict[str, Any] = {"color": "grey", "linewidth": 0.8, "linestyle": "--"}


def write_plots(
    folder: Path,
    cases: Cases,
    labelled: Sequence[LabelledImage],
    thresholds: Mapping[str, float],
) -> list[Path]:
    """Write ROC, precision-recall, reliability and confusion, and the worst errors, as PNG.

    ``labelled`` are the images of ``cases``, in their order. Only assessed images are plotted.
    Returns the files written.
    """
    targets = cases.targets[cases.assessed]
    probabilities = cases.probabilities[cases.assessed]
    n_positive = int(targets.sum())
    one_class = n_positive in (0, len(targets))
    figures = {
        "reliability": _reliability(targets, probabilities),
        "confusion": _confusion(cases, thresholds),
        "worst_errors": _worst_errors(cases, labelled, thresholds["decision"]),
    }
    if not one_class:
        figures["roc"] = _roc(targets, probabilities, thresholds)
        figures["precision_recall"] = _precision_recall(targets, probabilities, thresholds)
    return save(folder, figures)


def save(folder: Path, figures: Mapping[str, Figure]) -> list[Path]:
    """Write figures as PNG files of their names, and return these."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {folder / f"{name}.png": figure for name, figure in figures.items()}
    for file, figure in files.items():
        figure.savefig(file, dpi=DPI)
    return list(files)


def square(title: str, x_label: str, y_label: str) -> tuple[Figure, Axes]:
    """Return a square plot of two shares."""
    figure = Figure(figsize=(5.5, 5.5), layout="constrained")
    axes = figure.add_subplot()
    axes.set(title=title, xlabel=x_label, ylabel=y_label, xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    axes.set_aspect("equal")
    axes.grid(alpha=0.3)
    return figure, axes


def _roc(targets: Floats, probabilities: Floats, thresholds: Mapping[str, float]) -> Figure:
    figure, axes = square(
        f"ROC: area {auroc(targets, probabilities):.3f}",
        "1 - specificity",
        "sensitivity",
    )
    n_positive = targets.sum()
    n_negative = len(targets) - n_positive
    axes.plot(*roc_curve(targets, probabilities), color=LINE)
    axes.plot([0, 1], [0, 1], **GUIDE)
    _mark_points(
        axes,
        thresholds,
        lambda called: (
            (called & (targets == 0)).sum() / n_negative,
            (called & (targets == 1)).sum() / n_positive,
        ),
        probabilities,
    )
    axes.legend(loc="lower right")
    return figure


def roc_curve(targets: Floats, probabilities: Floats) -> tuple[Floats, Floats]:
    """Return 1 - specificity and sensitivity at each threshold, from (0, 0) on."""
    _, true, false = counts_by_threshold(targets, probabilities)
    n_positive = targets.sum()
    of_negative, of_positive = false / (len(targets) - n_positive), true / n_positive
    return np.concatenate([[0], of_negative]), np.concatenate([[0], of_positive])


def _precision_recall(
    targets: Floats, probabilities: Floats, thresholds: Mapping[str, float]
) -> Figure:
    figure, axes = square(
        f"Precision and recall: average precision {average_precision(targets, probabilities):.3f}",
        "recall (sensitivity)",
        "precision (positive predictive value)",
    )
    _, true, false = counts_by_threshold(targets, probabilities)
    axes.step(true / targets.sum(), true / (true + false), where="pre", color=LINE)
    axes.axhline(targets.mean(), label=f"prevalence {targets.mean():.2f}", **GUIDE)
    _mark_points(
        axes,
        thresholds,
        lambda called: (
            (called & (targets == 1)).sum() / targets.sum(),
            (called & (targets == 1)).sum() / max(called.sum(), 1),
        ),
        probabilities,
    )
    axes.legend(loc="lower left")
    return figure


def _mark_points(
    axes: Axes,
    thresholds: Mapping[str, float],
    place: Callable[[np.ndarray], tuple[float, float]],
    probabilities: Floats,
) -> None:
    for name, threshold in thresholds.items():
        x, y = place(probabilities >= threshold)
        axes.plot(x, y, MARKERS[name], label=f"{name} ({threshold:.3f})", markersize=7)


def _reliability(targets: Floats, probabilities: Floats) -> Figure:
    """Plot observed frequency against probability, with the number of images in each bin."""
    figure = Figure(figsize=(5.5, 7), layout="constrained")
    grid = GridSpec(2, 1, figure, height_ratios=(3, 1))
    curve = figure.add_subplot(grid[0])
    counts = figure.add_subplot(grid[1], sharex=curve)
    curve.plot([0, 1], [0, 1], **GUIDE)
    curve.plot(*reliability_curve(targets, probabilities), "o-", color=LINE)
    error = expected_calibration_error(targets, probabilities)
    curve.set(
        title=f"Reliability: calibration error {error:.3f}",
        ylabel="share with pneumonia",
        xlim=(0, 1),
        ylim=(-0.02, 1.02),
    )
    curve.grid(alpha=0.3)
    edges = np.arange(ECE_BINS) / ECE_BINS
    n = np.bincount(_bins(probabilities), minlength=ECE_BINS)
    bars = counts.bar(edges, n, width=1 / ECE_BINS, align="edge", color=LINE, edgecolor="white")
    counts.bar_label(bars, fontsize=8)
    counts.margins(y=0.2)
    counts.set(xlabel="stated probability", ylabel="images")
    return figure


def reliability_curve(targets: Floats, probabilities: Floats) -> tuple[Floats, Floats]:
    """Return mean probability and observed frequency in each bin that has images."""
    index = _bins(probabilities)
    n = np.bincount(index, minlength=ECE_BINS)
    used = n > 0
    stated = np.bincount(index, probabilities, ECE_BINS)[used] / n[used]
    return stated, np.bincount(index, targets, ECE_BINS)[used] / n[used]


def _bins(probabilities: Floats) -> NDArray[np.intp]:
    bins: NDArray[np.intp] = np.minimum((probabilities * ECE_BINS).astype(int), ECE_BINS - 1)
    return bins


def _confusion(cases: Cases, thresholds: Mapping[str, float]) -> Figure:
    """Show the results at the decision threshold by label, and the categories by kind of image."""
    refused = ~cases.assessed
    positive = cases.targets == 1
    decided = cases.probabilities >= thresholds["decision"]
    likely = cases.probabilities >= thresholds["likely"]
    unlikely = cases.probabilities < thresholds["unlikely"]
    present = [kind for kind in ("normal", "bacteria", "virus", "pneumonia") if kind in cases.kinds]
    kinds = {kind: cases.kinds == kind for kind in present}
    figure = Figure(figsize=(11, 1.6 + 0.9 * len(kinds)), layout="constrained")
    at_decision, by_category = figure.subplots(1, 2, width_ratios=(1, 2))
    _counts(
        at_decision,
        f"Pneumonia at {thresholds['decision']:.3f}?",
        {"normal": ~positive & ~refused, "pneumonia": positive & ~refused},
        {"no": ~decided & ~refused, "yes": decided},
    )
    _counts(
        by_category,
        "Category",
        kinds,
        {
            "unlikely": unlikely,
            "indeterminate": ~(unlikely | likely | refused),
            "likely": likely,
            "not assessable": refused,
        },
    )
    return figure


def _counts(
    axes: Axes, title: str, rows: Mapping[str, np.ndarray], columns: Mapping[str, np.ndarray]
) -> None:
    """Draw a table of how many images are in each row and column, shaded by the row's shares."""
    table = np.array(
        [[(row & column).sum() for column in columns.values()] for row in rows.values()]
    )
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), count in np.ndenumerate(table):
        share = shares[row, column]
        colour = "white" if share > 0.5 else "black"
        axes.text(column, row, f"{count}\n{share:.1%}", ha="center", va="center", color=colour)
    axes.set_xticks(range(len(columns)), list(columns))
    axes.set_yticks(range(len(rows)), list(rows))
    axes.set(title=title, ylabel="label")


def _worst_errors(cases: Cases, labelled: Sequence[LabelledImage], decision: float) -> Figure:
    """Show the worst errors at the decision threshold, the worst first."""
    positive = cases.targets == 1
    wrong = cases.assessed & ((cases.probabilities >= decision) != positive)
    surprise = np.where(positive, 1 - cases.probabilities, cases.probabilities)
    order = [int(i) for i in np.argsort(-surprise, kind="stable") if wrong[i]]
    shown = order[: SHEET_COLUMNS * SHEET_ROWS]
    rows = max(1, -(-len(shown) // SHEET_COLUMNS))
    figure = Figure(figsize=(2 * SHEET_COLUMNS, 0.6 + 2.5 * rows), layout="constrained")
    figure.suptitle(
        f"{len(order)} wrong at {decision:.3f} of {int(cases.assessed.sum())} assessed images"
        + (f"; the {len(shown)} worst" if len(shown) < len(order) else "")
    )
    for place, index in enumerate(shown):
        axes = figure.add_subplot(rows, SHEET_COLUMNS, place + 1)
        pixels = eight_bits(images.read(labelled[index].path.read_bytes()))
        axes.imshow(np.asarray(squeeze(pixels, THUMBNAIL)), cmap="gray", vmin=0, vmax=255)
        axes.set_title(
            f"{cases.kinds[index]}, said {cases.probabilities[index]:.3f}\n"
            f"{labelled[index].path.name}",
            fontsize=7,
        )
        axes.axis("off")
    return figure
