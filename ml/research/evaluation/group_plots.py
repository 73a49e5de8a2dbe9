"""Plots of an evaluation by group: is it as good, and as well calibrated, in each source?

Needs matplotlib, which serving does not.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill

import numpy as np
from matplotlib.figure import Figure

from ml.research.evaluation.figures import Cases, auroc, expected_calibration_error
from ml.research.evaluation.plots import GUIDE, reliability_curve, roc_curve, save, square

SCORE_BINS = np.linspace(0, 1, 21)
# Characters that fit above a plot.
NOTE_WIDTH = 48
CLASSES = {"normal": 0.0, "pneumonia": 1.0}


def write_group_plots(
    folder: Path, cases: Cases, groups: Sequence[str], thresholds: Mapping[str, float]
) -> list[Path]:
    """Write ROC and reliability by group, and histograms of the scores by group and label, as PNG.

    ``groups`` (n,) names the group of each case. Plots are of the assessed images; a group with
    only one class has no ROC. Returns the files written: none, if no case was assessed.
    """
    named = np.array(groups)
    parts = assessed_parts({name: cases.subset(named == name) for name in sorted(set(groups))})
    if not parts:
        return []
    figures = {
        "roc_by_group": plot_roc(parts),
        "reliability_by_group": plot_reliability(parts),
        "scores_by_group": plot_scores(parts, thresholds),
    }
    return save(folder, figures)


def assessed_parts(parts: Mapping[str, Cases]) -> dict[str, Cases]:
    """Return what was assessed of each group, without the groups of which nothing was."""
    assessed = {name: part.subset(part.assessed) for name, part in parts.items()}
    return {name: part for name, part in assessed.items() if len(part.kinds)}


def plot_roc(parts: Mapping[str, Cases], note: str = "") -> Figure:
    """Return the ROC of each group that has both classes; ``note`` goes into the title."""
    figure, axes = square(_title("ROC by group", note), "1 - specificity", "sensitivity")
    axes.plot([0, 1], [0, 1], **GUIDE)
    for name, part in parts.items():
        targets = part.targets
        if targets.min() == targets.max():
            continue
        area = auroc(targets, part.probabilities)
        label = f"{name}: area {area:.3f} ({_counts(part)})"
        axes.plot(*roc_curve(targets, part.probabilities), label=label)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower right", fontsize=8)
    return figure


def plot_reliability(parts: Mapping[str, Cases], note: str = "") -> Figure:
    """Return stated probability against observed share in each group."""
    title = _title("Reliability by group", note)
    figure, axes = square(title, "stated probability", "share with pneumonia")
    axes.plot([0, 1], [0, 1], **GUIDE)
    for name, part in parts.items():
        error = expected_calibration_error(part.targets, part.probabilities)
        label = f"{name}: calibration error {error:.3f} ({_counts(part)})"
        axes.plot(*reliability_curve(part.targets, part.probabilities), "o-", label=label)
    figure.legend(loc="outside lower center", fontsize=8)
    return figure


def plot_scores(
    parts: Mapping[str, Cases], thresholds: Mapping[str, float], note: str = ""
) -> Figure:
    """Return for each group how the stated probabilities of each label are distributed."""
    figure = Figure(figsize=(7, 0.6 + 2 * len(parts)), layout="constrained")
    if note:
        figure.suptitle(note)
    rows = figure.subplots(len(parts), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (name, part) in zip(rows, parts.items(), strict=True):
        for label, target in CLASSES.items():
            chosen = part.probabilities[part.targets == target]
            axes.hist(chosen, SCORE_BINS, histtype="step", label=f"{label} ({len(chosen)})")
        for threshold in thresholds.values():
            axes.axvline(threshold, **GUIDE)
        axes.set(title=name, ylabel="images", yscale="symlog", xlim=(0, 1))
        axes.legend(loc="upper center", fontsize=8)
    rows[-1].set_xlabel("stated probability; dashed: the operating points")
    return figure


def _title(title: str, note: str) -> str:
    return f"{title}\n{fill(note, NOTE_WIDTH)}" if note else title


def _counts(part: Cases) -> str:
    return f"{int(part.targets.sum())} of {len(part.kinds)} with pneumonia"
