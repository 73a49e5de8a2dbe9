"""The gate's section of the model card."""

from collections.abc import Mapping
from typing import Any


def gate_section(figures: Mapping[str, Any]) -> str:
    """Return the section as Markdown, from what ``ml.gate.fitting.measure_gate`` returned."""
    radiographs, clear = figures["radiographs"], figures["clear_outsiders"]
    mirrored = figures["mirrored"]
    heads = (
        "outsiders, n, refused, put right and assessed, put right wrongly, assessed as they came"
    )
    lines = [
        f"On {radiographs['n']:,} held-out radiographs of patients on whom no limit was chosen, and"
        " on pictures whose sources nothing was fitted to:",
        "",
        f"- real upright radiographs refused: **{radiographs['refused']:.1%}**; those that would be"
        f" turned or inverted, were they refused: {radiographs['turned']:.2%}",
        f"- clear outsiders refused: **{clear['refused']:.2%}** of {clear['n']:,}; assessed after"
        f' they were put "right": {clear["righted"]:.2%}',
        f"- mirrored radiographs refused: {mirrored['refused']:.1%}, put right: none by design; the"
        " heart may lie on the right, and nothing tells left from right",
        "",
        f"| {heads.replace(', ', ' | ')} |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    groups = dict.fromkeys(kind["group"] for kind in figures["outsiders"].values())
    for group in groups:
        for name, kind in figures["outsiders"].items():
            if kind["group"] == group:
                lines.append(
                    f"| {name}{' †' if kind['unseen'] else ''} | {kind['n']} |"
                    f" {kind['refused']:.1%} | {kind['righted']:.1%} |"
                    f" {kind['righted_wrongly']:.1%} |"
                    f" {abs(1 - kind['refused'] - kind['righted']):.1%} |"
                )
    lines += [
        "",
        "† nothing of this kind was fitted to. Photographs, faces, pages, microscopy, CT, MR,"
        " ultrasound and bone scans come from what scikit-image, scikit-learn and pydicom ship;"
        " body parts other than the chest, and lateral chests, were only drawn. **Not tested**:"
        " real lateral views, real radiographs of other body parts, chests of adults.",
    ]
    return "\n".join(lines)
