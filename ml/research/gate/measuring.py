"""The gate's performance on radiographs and OOD images not used for fitting or choosing."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ml.research import ood_samples
from ml.research.evaluation import bootstrap
from ml.research.gate.fitting import PER_KIND, Layouts, Pixels
from ml.research.ood_samples import transformed
from ml.serving.gate.decision import NOT_FRONTAL_CHEST, Gate
from ml.serving.gate.orientation import UPRIGHT, Turn, applied
from ml.serving.gate.reorientation import Judged, judge, layouts_only

BATCH = 32


class Measured(NamedTuple):
    """Upright radiographs of one source, (n, size, size), with patients and groups of each (n,).

    ``groups`` has for each kind of group (view, age, ...) the name of each image's.
    """

    inputs: Pixels
    patients: Sequence[str]
    groups: Mapping[str, Sequence[str]]


def measure_gate(
    gate: Gate,
    sources: Mapping[str, Measured],
    layouts_of: Layouts,
    real_ood: Mapping[str, Pixels] | None = None,
    per_kind: int = PER_KIND,
    seed: int = 1,
) -> dict[str, Any]:
    """Measure on what took no part in the fit; for JSON.

    All are shares. ``radiographs``, real and upright, of all sources: ``refused``, and ``turned``,
    those that would be put "right" if they were refused; ``groups`` has ``refused`` with its 95 %
    interval for each group of each source. ``mirrored``: the same ones mirrored. ``outsiders``, by
    kind: ``refused``; let through after they were put right, ``righted``, and by another turn than
    the one that undoes what was done to them, ``righted_wrongly``; ``named``, refused with a reason
    that says more than *not a frontal chest*. ``clear_outsiders`` sums up all those that cannot be
    put right and are not merely cropped. ``real_ood`` are given by kind.
    """
    rng = np.random.default_rng(seed)
    everybody = np.concatenate([source.inputs for source in sources.values()])
    made = ood_samples.for_measuring(everybody, per_kind, rng)
    for kind, pictures in (real_ood or {}).items():
        made[kind] = ood_samples.Samples("real", pictures)
    by_kind = {}
    for kind, (group, pictures, unseen) in made.items():
        turn = transformed.MISORIENTED.get(kind)
        figures = _ood_figures(gate, pictures, layouts_of, turn.undone if turn else None)
        by_kind[kind] = {"group": group, "unseen": unseen, **figures}
    groups = []
    for name, source in sources.items():
        judged = _judged(gate, source.inputs, layouts_of)
        refused = np.array([refusal is not None for refusal in judged.refusals])
        groups += _by_group(name, source, refused)
    refused_of_all = sum(group["refused"] * group["n"] for group in groups if not group["by"])
    return {
        "radiographs": {
            "n": len(everybody),
            "refused": round(refused_of_all / len(everybody), 4),
            "turned": _share(_turned_if_refused(gate, everybody, layouts_of)),
        },
        "groups": groups,
        "mirrored": _ood_figures(gate, everybody[:, :, ::-1], layouts_of, None),
        "clear_outsiders": _summed([f for f in by_kind.values() if f["group"] == "other"]),
        "outsiders": by_kind,
    }


def _by_group(name: str, source: Measured, refused: np.ndarray) -> list[dict[str, Any]]:
    """Return a line for the whole source, whose ``by`` is '', and one for each group."""
    patients = np.array(source.patients)
    lines = [_line(name, "", "", refused, patients)]
    for by, named in source.groups.items():
        of = np.array(named)
        lines += [
            _line(name, by, str(group), refused[of == group], patients[of == group])
            for group in sorted(set(named))
        ]
    return lines


def _line(
    source: str, by: str, group: str, refused: np.ndarray, patients: np.ndarray
) -> dict[str, Any]:
    share = float(refused.mean())

    def figures(positions: np.ndarray) -> dict[str, float]:
        return {"refused": float(refused[positions].mean())}

    found = bootstrap.intervals(figures, patients, replicates=bootstrap.REPLICATES)["refused"]
    interval = bootstrap.widened(found, share, len(np.unique(patients)))
    return {
        "source": source,
        "by": by,
        "group": group,
        "n": len(refused),
        "n_patients": len(np.unique(patients)),
        "refused": round(share, 4),
        "refused_interval": [round(end, 4) for end in interval],
    }


def _judged(gate: Gate, pictures: Pixels, layouts_of: Layouts) -> Judged:
    forward = layouts_only(layouts_of)
    refusals, turns = [], []
    for start in range(0, len(pictures), BATCH):
        batch = np.ascontiguousarray(pictures[start : start + BATCH])
        judged = judge(gate, batch, forward(batch), forward)
        refusals += judged.refusals
        turns += judged.turns
    return Judged({}, refusals, turns)


def _ood_figures(
    gate: Gate, pictures: Pixels, layouts_of: Layouts, undone_by: Turn | None
) -> dict[str, float]:
    _, refusals, turns = _judged(gate, pictures, layouts_of)
    turned = [turn != UPRIGHT for turn in turns]
    wrongly = [turn not in (UPRIGHT, undone_by) for turn in turns]
    named = [r is not None and r is not NOT_FRONTAL_CHEST for r in refusals]
    return {
        "n": len(pictures),
        "refused": _share([refusal is not None for refusal in refusals]),
        "righted": _share(turned),
        "righted_wrongly": _share(wrongly),
        "named": _share(named),
    }


def _turned_if_refused(gate: Gate, inputs: Pixels, layouts_of: Layouts) -> list[bool]:
    """Which upright radiographs would be rotated or inverted if they did not pass first."""
    turns = gate.upright_turns(inputs)
    suspected = [i for i, turn in enumerate(turns) if turn != UPRIGHT]
    if not suspected:
        return [False] * len(inputs)
    turned = np.stack([applied(turns[i], inputs[i]) for i in suspected])
    sure = gate.is_sure(turned, layouts_of(turned))
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
