"""The plots of a package: what its images were, how it learned, and how right it is by source.

None of them shows a radiograph. Needs matplotlib, which serving does not.
"""

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from ml.research.datasets.radiographs import LabelledImage
from ml.research.evaluation.figures import Cases, auroc, expected_calibration_error
from ml.research.evaluation.group_plots import (
    assessed_parts,
    plot_reliability,
    plot_roc,
    plot_scores,
)
from ml.research.evaluation.plots import save
from ml.serving.calibration import Floats
from ml.serving.package import plot_file

# In this order from left to right, as far as a package has them.
CLASSES = ("normal", "other", "bacteria", "virus", "pneumonia", "opacity", "unread")
CLASS_WORDS = {
    "other": "abnormal without opacity",
    "unread": "not read by radiologists",
}


# The columns of a training's history that are shown: of the decision, not of other outputs.
HISTORY = ("logit_loss", "val_logit_loss", "logit_accuracy", "val_logit_accuracy")
# What Keras writes without validation.
NOT_MEASURED = "NA"


class Plotted(NamedTuple):
    """What the plots of a package show.

    ``splits`` has the class of each image of each split, ``groups`` the cases of each source,
    ``histories`` the files with the losses by epoch, where the training wrote any. ``note`` says in
    the titles of the plots by source what else has to be known of them.
    """

    splits: Mapping[str, Sequence[str]]
    groups: Mapping[str, Cases]
    histories: Sequence[Path] = ()
    note: str = ""


def splits_of(
    training: Sequence[LabelledImage], folds: Mapping[str, Sequence[LabelledImage]]
) -> dict[str, list[str]]:
    """Return the class of each child's image of the training and of each fold, to plot."""
    splits = {"training": training, **{f"{name} fold": fold for name, fold in folds.items()}}
    return {f"children, {name}": [each.kind for each in split] for name, split in splits.items()}


def write_package_plots(
    package: Path, plotted: Plotted, thresholds: Mapping[str, float]
) -> dict[str, str]:
    """Write the plots into a package's folder; return what is seen in each, by its name.

    Without losses by epoch there is no plot of them, and without assessed cases none by source.
    """
    figures: dict[str, Figure] = {}
    seen: dict[str, str] = {}
    splits = {name: classes for name, classes in plotted.splits.items() if len(classes)}
    if splits:
        figures["images"], seen["images"] = _images(splits), _describe_images(splits)
    if histories := [rows for file in plotted.histories if (rows := read_history(file))]:
        figures["learning"], seen["learning"] = _learning(histories), _describe_learning(histories)
    if parts := assessed_parts(plotted.groups):
        note = f" ({plotted.note})" if plotted.note else ""
        figures["roc"] = plot_roc(parts, plotted.note)
        seen["roc"] = f"ROC curves{note}: {_describe(parts, 'area under the curve', auroc)}."
        figures["reliability"] = plot_reliability(parts, plotted.note)
        errors = _describe(parts, "calibration error", expected_calibration_error)
        seen["reliability"] = f"Share with pneumonia by stated probability{note}: {errors}."
        figures["scores"] = plot_scores(parts, thresholds, plotted.note)
        seen["scores"] = (
            f"Histograms of the stated probability by class{note}, with the operating points at"
            f" {', '.join(f'{value:.3f}' for value in thresholds.values())}: {', '.join(parts)}."
        )
    for name in figures:
        (package / plot_file(name)).unlink(missing_ok=True)
    if figures:
        save((package / plot_file("images")).parent, figures)
    return seen


def read_history(file: Path) -> dict[str, list[float]]:
    """Return loss and accuracy by epoch, by their names in HISTORY, as far as they are in the file.

    A resumed training may have written an epoch twice; the later line counts.
    """
    if not file.exists():
        return {}
    with file.open(newline="") as stream:
        epochs = {int(row.pop("epoch")): row for row in csv.DictReader(stream)}
    rows = [epochs[epoch] for epoch in sorted(epochs)]
    columns = {name: [row.get(name, NOT_MEASURED) for row in rows] for name in HISTORY if rows}
    return {
        name: [float(value) for value in values]
        for name, values in columns.items()
        if NOT_MEASURED not in values
    }


def _images(splits: Mapping[str, Sequence[str]]) -> Figure:
    """Draw a bar for each split, divided by class."""
    figure = Figure(figsize=(8, 1.4 + 0.5 * len(splits)), layout="constrained")
    axes = figure.add_subplot()
    rows = np.arange(len(splits))
    left = np.zeros(len(splits), int)
    for name in CLASSES:
        counts = np.array([list(classes).count(name) for classes in splits.values()])
        if not counts.any():
            continue
        axes.barh(rows, counts, left=left, label=CLASS_WORDS.get(name, name))
        left += counts
    for row, classes in enumerate(splits.values()):
        counted = " · ".join(f"{n:,}" for n in _counts(classes).values())
        axes.text(left[row], row, f"  {counted}", va="center", fontsize=8)
    axes.set_xlim(0, 1.35 * left.max())
    axes.set_yticks(rows, list(splits))
    axes.invert_yaxis()
    axes.set(title="Images by split and class", xlabel="images")
    figure.legend(loc="outside lower center", ncols=4, fontsize=8)
    return figure


def _learning(histories: Sequence[Mapping[str, Sequence[float]]]) -> Figure:
    """Draw loss and accuracy by epoch; of several trainings each in its own colour."""
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    losses, accuracies = figure.subplots(1, 2)
    for number, history in enumerate(histories, 1):
        of = f" {number}" if len(histories) > 1 else ""
        for name, values in history.items():
            axes = losses if name.endswith("loss") else accuracies
            validation = name.startswith("val_")
            label = f"{'validation' if validation else 'training'}{of}"
            style = "--" if validation else "-"
            axes.plot(
                np.arange(1, len(values) + 1), values, style, color=f"C{number - 1}", label=label
            )
    for axes, title in ((losses, "Loss"), (accuracies, "Accuracy")):
        axes.set(title=f"{title} by epoch", xlabel="epoch")
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend(fontsize=8)
        else:
            axes.text(0.5, 0.5, "not recorded", ha="center", transform=axes.transAxes)
    return figure


def _counts(classes: Sequence[str]) -> dict[str, int]:
    counts = {name: list(classes).count(name) for name in CLASSES}
    return {name: count for name, count in counts.items() if count}


def _describe_images(splits: Mapping[str, Sequence[str]]) -> str:
    def of(classes: Sequence[str]) -> str:
        counts = _counts(classes).items()
        return ", ".join(f"{n:,} {CLASS_WORDS.get(name, name)}" for name, n in counts)

    shown = "; ".join(f"{name}: {of(classes)}" for name, classes in splits.items())
    return f"Bars of the number of images by split and class. {shown}."


def _describe_learning(histories: Sequence[Mapping[str, Sequence[float]]]) -> str:
    def of(history: Mapping[str, Sequence[float]]) -> str:
        return ", ".join(f"{name} {v[0]:.3f} to {v[-1]:.3f}" for name, v in history.items())

    shown = "; ".join(map(of, histories))
    return f"Loss and accuracy by epoch, from the first epoch to the last: {shown}."


def _describe(
    parts: Mapping[str, Cases], what: str, figure: Callable[[Floats, Floats], float]
) -> str:
    shown = {name: figure(part.targets, part.probabilities) for name, part in parts.items()}
    words = [f"{value:.3f} ({n})" for n, value in shown.items() if not np.isnan(value)]
    return f"{what} {', '.join(words) or 'not known, with one class alone'}"
