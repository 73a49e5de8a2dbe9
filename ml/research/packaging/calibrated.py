"""A calibration of their own for adults, on a network that assesses children too.

A network calibrated on children states far too high probabilities for adults. Two numbers fitted to
its log-odds of adults correct that; the network stays as it is. If it was trained with these
adults, it tells them apart better than others (docs/model.md says how much), so that their
probabilities are also kept away from *unlikely*.
"""

import json
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ml.research.datasets.material import PARTS, Material, changed_copies, draw_chances, part_of
from ml.research.datasets.radiographs import labels, load_inputs
from ml.research.datasets.sources import Sources
from ml.research.datasets.targets import UNREAD, reading_of
from ml.research.evaluation.adults import measure_adults, plotted_adults
from ml.research.evaluation.figures import ECE_BINS
from ml.research.evaluation.held_out import plotted_children
from ml.research.evaluation.pointing import measure_pointing
from ml.research.evaluation.responses import Responses
from ml.research.evaluation.scale import Scale, full_scale
from ml.research.evaluation.shortcuts import with_all_lent
from ml.research.gate.held_out import refused_by
from ml.research.packaging.adults import (
    ADULTS,
    as_opacity_or_not,
    calibrate,
    choose,
    measure_children,
    rim_share_of,
)
from ml.research.packaging.plots import Plotted, write_package_plots
from ml.research.packaging.refined import CalibrationData
from ml.research.packaging.writing import with_consistency, write_package
from ml.research.training.refining import Pool
from ml.serving.calibration import Calibration
from ml.serving.gate.decision import Gate
from ml.serving.package import (
    CALIBRATED_FORMAT,
    CHOOSER_FILE,
    FACTS_FILE,
    HASHES_FILE,
    ModelPackage,
)
from ml.serving.runtimes.choice import start_runtime
from ml.serving.runtimes.interface import Runtime

BATCH = 32
AS_IT_IS = Calibration(1.0, 0.0)


@dataclass(frozen=True)
class CalibratingOptions:
    """The chosen options; stored in the package as they are.

    ``pool`` is how many changed copies the chooser is fitted to, ``certainty`` the log-odds from
    which it takes an image for an adult's: taking a child for an adult is the worse mistake.
    """

    pool: int = 4096
    certainty: float = 1.0
    acquisition_balance: float = 0.75
    seed: int = 0


def calibrate_for_adults(
    out: Path,
    package: ModelPackage,
    sources: Sources,
    options: CalibratingOptions,
    command: str,
    boxes: Path | None = None,
    fullres: Path | None = None,
) -> ModelPackage:
    """Write a package with the network of ``package`` and a calibration for adults' images.

    Network, gate, thresholds and the children's calibration stay to the byte. ``boxes`` is a sheet
    of boxes drawn in the adults' radiographs; ``fullres`` has full-size files to compare kinds of
    file with.
    """
    runtime = start_runtime("onnxruntime", package, "cpu", BATCH)
    everyone = Responses.of_runtime(
        runtime, sources.material.inputs[len(sources.split.training) :], sources.adults
    )
    data = _respond(runtime, sources, everyone)
    pool = _pool(runtime, sources.material, options)
    chooser, choice = choose(sources.material, pool, data, everyone, options.certainty)
    thresholds = {name: point.threshold for name, point in package.thresholds.items()}
    unlikely = thresholds["unlikely"]
    calibration = calibration_for(data.adults, unlikely)
    crossed = _cross_calibrated(data.adults, unlikely)
    stated = AS_IT_IS._replace(margin=calibration.margin)
    has_seen = "adults" in package.training
    gate = Gate.load(package.gate_path)
    refused = {name: refused_by(gate, fold) for name, fold in data.children.items()}
    plotted = Plotted(
        {},
        {
            **plotted_children(package.figures, data.children, refused),
            **plotted_adults(crossed, stated),
        },
        note="adults: opacity or not, each third calibrated on the others"
        + ("; they were in the training" if has_seen else ""),
    )
    stages = {
        "calibration": calibration._asdict(),
        "bacterial_calibration": None,
        "heatmap_full_scale": full_scale(calibration, {ADULTS: as_opacity_or_not(data.adults)}),
        "of_children": package.version,
        "figures": measure_adults(crossed, Scale(stated, None, package.thresholds)),
        "command": command,
        "options": asdict(options),
        "chooser": choice,
        "children": measure_children(data, calibration, thresholds),
        "heatmap_rim_share": rim_share_of(data.adults, calibration),
        "pointing": measure_pointing(everyone, calibration, boxes) if boxes else None,
        "pointing_seen": has_seen,
        "error_at_even_odds": {
            "own": error_at_even_odds(crossed, stated),
            "of_children": error_at_even_odds(data.adults, package.calibration),
        },
    }
    shutil.copytree(package.path, out, ignore=shutil.ignore_patterns(HASHES_FILE))
    chooser.save(out / CHOOSER_FILE)
    before = json.loads((package.path / FACTS_FILE).read_text())
    facts = before | {
        "format": CALIBRATED_FORMAT,
        "version": out.name,
        "adult_stages": stages,
        "plots": before.get("plots", {}) | write_package_plots(out, plotted, thresholds),
    }
    return with_consistency(write_package(out, facts), fullres)


def calibration_for(adults: Responses, unlikely: float) -> Calibration:
    """Fit Platt scaling to opacity against everything else, never below the point *unlikely*.

    AUROCs of 0.7 to 0.8 rule nothing out.
    """
    fitted = calibrate(adults)
    return fitted._replace(margin=max(fitted.margin, unlikely))


def error_at_even_odds(adults: Responses, calibration: Calibration) -> float:
    """Return the expected calibration error, with opacities and all others of equal weight.

    That is what the probability assumes, whatever share of these images has an opacity.
    """
    targets = as_opacity_or_not(adults).targets
    probabilities = calibration.probabilities(adults.logits)
    weights = np.where(targets == 1, 0.5 / targets.sum(), 0.5 / (1 - targets).sum())
    bins = np.minimum((probabilities * ECE_BINS).astype(int), ECE_BINS - 1)
    gaps = np.bincount(bins, weights * (targets - probabilities))
    return round(float(np.abs(gaps).sum()), 4)


def _respond(runtime: Runtime, sources: Sources, everyone: Responses) -> CalibrationData:
    children, lent = {}, {}
    for name in ("random", "pessimistic"):
        images = getattr(sources.split, name)
        inputs = load_inputs(images, sources.material.inputs.shape[1], name)
        children[name] = Responses.of_runtime(runtime, inputs, images)
        all_lent = with_all_lent(inputs, labels(images))
        lent[name] = Responses.of_runtime(runtime, all_lent, images)
    read = everyone.chosen([reading_of(image) != UNREAD for image in everyone.images])
    return CalibrationData(children, lent, read)


def _pool(runtime: Runtime, material: Material, options: CalibratingOptions) -> Pool:
    """Return the layouts of changed copies."""
    rng = np.random.default_rng(options.seed)
    chances = draw_chances(material, options.acquisition_balance, options.seed)
    source = rng.choice(len(chances), options.pool, p=chances)
    kept = [
        runtime.outputs(changed_copies(material, source[start : start + BATCH], rng))["layout"]
        for start in tqdm(range(0, options.pool, BATCH), "changed copies", unit="batch")
    ]
    return Pool(np.concatenate(kept).astype(np.float16), source)


def _cross_calibrated(adults: Responses, unlikely: float) -> Responses:
    """Return the responses with log-odds that are calibrated, each third on the two others."""
    parts = np.array([part_of(image) for image in adults.images])
    logits = np.zeros(len(parts))
    for part in range(PARTS):
        others = calibration_for(adults.chosen(parts != part), unlikely)
        logits[parts == part] = others.log_odds(adults.logits[parts == part])
    return replace(adults, logits=logits)
