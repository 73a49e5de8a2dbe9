"""A calibration of their own for adults, on a network that assesses children too.

A network calibrated on children states far too high probabilities for adults. A network that was
trained with these adults cannot be calibrated on them: it is surer of them than of others. Networks
of the same recipe that each left a part of the patients out stand in for it.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ml.research.packaging.adults import AdultStages
from ml.research.packaging.plots import Plotted, write_package_plots
from ml.research.packaging.writing import with_consistency, write_package
from ml.serving.package import (
    CALIBRATED_FORMAT,
    CHOOSER_FILE,
    FACTS_FILE,
    HASHES_FILE,
    ModelPackage,
)


def add_adult_calibration(
    out: Path,
    start: ModelPackage,
    found: AdultStages,
    about: Mapping[str, Any],
    fullres: Path | None = None,
    plotted: Plotted | None = None,
) -> ModelPackage:
    """Write a package with the network of ``start`` and a calibration for adults' images.

    Network, gate, thresholds and the children's calibration stay to the byte. ``found`` is what was
    fitted and measured, ``about`` says how the networks were trained that stood in for this one.
    ``fullres`` and ``plotted`` are as in ``branched.add_adult_stages``.
    """
    shutil.copytree(start.path, out, ignore=shutil.ignore_patterns(HASHES_FILE))
    found.chooser.save(out / CHOOSER_FILE)
    before = json.loads((start.path / FACTS_FILE).read_text())
    thresholds = {name: point.threshold for name, point in start.thresholds.items()}
    plots = write_package_plots(out, plotted, thresholds) if plotted else {}
    facts = before | {
        "format": CALIBRATED_FORMAT,
        "version": out.name,
        "adults": dict(found.figures),
        "adult_stages": {
            "calibration": found.calibration._asdict(),
            "bacterial_calibration": None,
            "heatmap_full_scale": found.heatmap_full_scale,
            "of_children": start.version,
            **about,
            **found.about,
        },
        "plots": before.get("plots", {}) | plots,
    }
    return with_consistency(write_package(out, facts), fullres)
