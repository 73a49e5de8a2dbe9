"""The gate's section of the model card."""

from collections.abc import Mapping, Sequence
from typing import Any


def gate_section(figures: Mapping[str, Any]) -> str:
    """Return the section as Markdown, from the figures of ``measure_gate``."""
    radiographs, clear = figures["radiographs"], figures["clear_outsiders"]
    mirrored = figures["mirrored"]
    heads = (
        "OOD pictures, n, refused, put right and assessed, put right wrongly, assessed as they came"
    )
    lines = [
        f"On {radiographs['n']:,} radiographs of patients to whom nothing was fitted and on whom no"
        " limit was chosen, and on pictures whose sources nothing was fitted to. Recipes for"
        " the gate were compared on a part of them, so that these figures flatter a little:",
        "",
        f"- real upright radiographs refused: **{radiographs['refused']:.1%}**; those that would be"
        f" turned or inverted, were they refused: {radiographs['turned']:.2%}",
        f"- pictures that are clearly no chest refused: **{clear['refused']:.2%}** of"
        f' {clear["n"]:,}; assessed after they were put "right": {clear["righted"]:.2%}',
        f"- mirrored radiographs refused: {mirrored['refused']:.1%}, put right: none by design; the"
        " heart may lie on the right, and nothing tells left from right",
        "",
        *_groups(figures["groups"]),
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
        " ultrasound and bone scans come from what scikit-image, scikit-learn and pydicom ship."
        " Lateral views to fit to were made of the halves of frontal ones, and slices drawn from"
        " radiographs, because no real ones may be used; *real* pictures are, where there are any.",
    ]
    return "\n".join(lines)


def _groups(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a table of the share that passes, by source and group."""
    table = ["| radiographs | group | n | patients | pass |", "| --- | --- | --- | --- | --- |"]
    for line in lines:
        low, high = (1 - end for end in reversed(line["refused_interval"]))
        group = f"{line['by']}: {line['group']}" if line["by"] else "all"
        table.append(
            f"| {line['source']} | {group} | {line['n']} | {line['n_patients']} |"
            f" {1 - line['refused']:.1%} ({low:.1%} to {high:.1%}) |"
        )
    return table
