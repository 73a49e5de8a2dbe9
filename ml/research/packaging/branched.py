"""From a package and upper stages for adults to a package with both, on the trunk that they share.

What looks like a child's image is assessed as before; the gate, which looks at the trunk alone,
and the thresholds stay.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from ml.research.packaging.export import export_branches
from ml.research.packaging.plots import Plotted, write_package_plots
from ml.research.packaging.writing import with_consistency, write_package
from ml.serving.calibration import Calibration
from ml.serving.chooser import Chooser
from ml.serving.package import BRANCHED_FORMAT, FACTS_FILE, GATE_FILE, ModelPackage
from ml.serving.runtimes.tensorflow import load_network


def add_adult_stages(
    out: Path,
    start: ModelPackage,
    adult: keras.Model,
    chooser: Chooser,
    calibration: Calibration,
    heatmap_full_scale: float,
    figures: Mapping[str, Any],
    about: Mapping[str, Any],
    fullres: Path | None = None,
    plotted: Plotted | None = None,
) -> ModelPackage:
    """Write a package with the upper stages of ``start`` and those of ``adult`` for adults.

    ``adult`` is a folded network with the trunk of ``start``; ``calibration`` and
    ``heatmap_full_scale`` are of its own. ``figures`` are those of adults, by group, and replace
    those of ``start`` (see ``ml.research.evaluation.adults.measure_adults``). ``about`` says how
    the stages were trained (``command``, ``options``) and how often the chooser is right
    (``chooser``), as the card tells it. ``fullres`` has full-size files to compare kinds of file
    with; ``plotted`` is what to plot, in place of the plots of ``start``. Raises ``ExportError`` if
    the trunks differ or a runtime answers otherwise than Keras.
    """
    out.mkdir(parents=True)
    export_branches(load_network(start), adult, chooser, out)
    shutil.copy(start.gate_path, out / GATE_FILE)
    before = json.loads((start.path / FACTS_FILE).read_text())
    thresholds = {name: point.threshold for name, point in start.thresholds.items()}
    facts = before | {
        "format": BRANCHED_FORMAT,
        "version": out.name,
        "adults": dict(figures),
        "adult_stages": {
            "calibration": calibration._asdict(),
            "bacterial_calibration": None,
            "heatmap_full_scale": heatmap_full_scale,
            "of_children": start.version,
            **about,
        },
        "plots": write_package_plots(out, plotted, thresholds) if plotted else {},
    }
    return with_consistency(write_package(out, facts), fullres)
