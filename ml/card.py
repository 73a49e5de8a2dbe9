"""The model card, written from a package's measured figures.

Form: Mitchell et al., *Model Cards for Model Reporting* (FAT* 2019).
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from string import Template
from typing import Any

TEMPLATE = Path(__file__).with_name("card_template.md")


def write_card(facts: Mapping[str, Any]) -> str:
    """Return the card of a package as Markdown; ``facts`` is its package.json."""
    size = facts["input"]["size"]
    training = facts["training"]
    return Template(TEMPLATE.read_text()).substitute(
        name=facts["name"],
        version=facts["version"],
        size=size,
        places=size // 32,
        images=f"{training['images']:,}",
        patients=f"{training['patients']:,}",
        pneumonia=f"{training['pneumonia']:,}",
        figures=_figures_table(facts["figures"]),
        prevalence=f"{facts['calibration']['prevalence']:.0%}",
        thresholds=_thresholds_table(facts["thresholds"]),
        rim=f"{facts['heatmap_rim_share']:.0%}",
        rim_area=f"{1 - (size // 32 - 2) ** 2 / (size // 32) ** 2:.0%}",
        gate=_table(
            ["held-out radiographs", "refused"],
            [(name, f"{share:.1%}") for name, share in facts["gate"].items()],
        ),
        full_scale=f"{facts['heatmap_full_scale']:.1f}",
        command=training["command"],
        options=", ".join(f"{name} {value}" for name, value in training["options"].items()),
    )


def _figures_table(figures: Mapping[str, Any]) -> str:
    rows = (
        (
            name,
            fold["n"],
            fold["n_pneumonia"],
            f"{fold['auroc']:.3f}",
            f"{fold['accuracy']:.1%}",
            f"{fold['sensitivity']:.1%}",
            f"{fold['specificity']:.1%}",
            f"{fold['ece']:.3f}",
            f"{fold['refused']:.1%}",
        )
        for name, fold in figures.items()
    )
    heads = "fold, images, with pneumonia, AUROC, accuracy, sensitivity, specificity"
    return _table([*heads.split(", "), "calibration error", "refused"], rows)


def _thresholds_table(thresholds: Mapping[str, Any]) -> str:
    rows = (
        (
            name,
            f"{point['threshold']:.3f}",
            point["criterion"],
            f"{point['sensitivity']:.1%}",
            f"{point['specificity']:.1%}",
        )
        for name, point in thresholds.items()
    )
    return _table(
        ["operating point", "threshold", "chosen for", "sensitivity", "specificity"], rows
    )


def _table(heads: list[str], rows: Iterable[tuple[object, ...]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
