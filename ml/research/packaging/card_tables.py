"""Tables of a package's figures in its card, in Markdown."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

SHARES = {
    "accuracy": "accuracy",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "accuracy_refused_as_wrong": "accuracy, refused images counted as wrong",
    "refused": "refused by the gate",
}
SCORES = {
    "auroc": "AUROC",
    "average_precision": "average precision",
    "brier": "Brier score",
    "ece": "calibration error",
}


def folds_table(figures: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    """Return a table with a column for each fold and a line for each figure, with its interval."""
    counts = [
        ("images", *(f"{fold['n']:,}" for fold in figures.values())),
        ("with pneumonia", *(f"{fold['n_pneumonia']:,}" for fold in figures.values())),
        ("patients", *(f"{fold['n_patients']:,}" for fold in figures.values())),
    ]
    lines = [
        (label, *(figure(fold, key) for fold in figures.values())) for key, label in labels.items()
    ]
    return table(["", *figures], [*counts, *lines])


def points_by_fold(figures: Mapping[str, Any], of: str = "fold") -> str:
    """Return a table of sensitivity and specificity at each operating point of each fold."""
    lines = [
        (
            name,
            point,
            f"{at['threshold']:.3f}",
            figure(at, "sensitivity"),
            figure(at, "specificity"),
        )
        for name, fold in figures.items()
        for point, at in fold["operating_points"].items()
    ]
    heads = [of, "operating point", "threshold", "sensitivity", "specificity"]
    return table(heads, lines)


def figure(figures: Mapping[str, Any], key: str) -> str:
    """Return a figure and its interval, a share in per cent."""
    shown = score if key in SCORES else share
    text = shown(figures[key])
    interval = figures.get(f"{key}_interval")
    if figures[key] is None or not interval:
        return text
    low, high = (shown(end) for end in interval)
    return f"{text} ({low} to {high})"


def share(value: float | None) -> str:
    """Return a share in per cent."""
    return "–" if value is None else f"{value:.1%}"


def score(value: float | None) -> str:
    """Return a score with three decimals."""
    return "–" if value is None else f"{value:.3f}"


def table(heads: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    """Return a table with these headings."""
    rows = [heads, ["---"] * len(heads), *lines]
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in rows)
