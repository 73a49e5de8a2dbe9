"""Does the heat lie where radiologists drew a box? The pointing game, and the heat in the box.

The pointing game (Zhang et al., *Top-Down Neural Attention by Excitation Backprop*, IJCV 2018) asks
whether the hottest point is in the box; the energy (Wang et al., *Score-CAM*, CVPR Workshops 2020)
is the share of all heat in it. Both are given beside the share of the image that the box has, which
is what heat anywhere would reach.
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from PIL import Image

from ml.research.evaluation import bootstrap
from ml.research.evaluation.responses import Responses
from ml.serving.calibration import Calibration, Floats

ALL = "all findings"


class Box(NamedTuple):
    """A drawn box, in shares of the image's width and height."""

    finding: str
    x: float
    y: float
    width: float
    height: float

    @classmethod
    def of(cls, row: Mapping[str, str]) -> Self:
        """Read a row of a sheet of boxes."""
        return cls(row["finding"], *(float(row[n]) for n in ("x", "y", "width", "height")))

    def mask(self, size: int) -> np.ndarray:
        """Return which pixels of an image of size by size have their centre in the box."""
        centres = (np.arange(size) + 0.5) / size
        down = (centres >= self.y) & (centres < self.y + self.height)
        across = (centres >= self.x) & (centres < self.x + self.width)
        return down[:, None] & across[None, :]


class Pointed(NamedTuple):
    """One box: whether the hottest point is in it, its shares of the heat and of the image."""

    finding: str
    patient: str
    hit: float
    energy: float
    area: float


def read_boxes(sheet: Path) -> dict[str, list[Box]]:
    """Return the boxes of a sheet (file, finding, x, y, width, height), by file."""
    boxes: dict[str, list[Box]] = {}
    with sheet.open(newline="", encoding="utf-8-sig") as stream:
        for row in csv.DictReader(stream):
            boxes.setdefault(row["file"], []).append(Box.of(row))
    return boxes


def point(heat: Floats, boxes: Sequence[Box], size: int, patient: str) -> list[Pointed]:
    """Compare the local log-odds (s, s) of one image with its boxes.

    Heat is what speaks for pneumonia, enlarged as shown. Without heat, an image points nowhere.
    """
    shown = Image.fromarray(heat.clip(0).astype(np.float32))
    enlarged = np.asarray(shown.resize((size, size), Image.Resampling.BILINEAR), np.float64)
    hottest, total = enlarged == enlarged.max(), enlarged.sum()
    pointed = []
    for box in boxes:
        mask = box.mask(size)
        hit = float(total > 0 and bool(mask[hottest].any()))
        energy = float(enlarged[mask].sum() / total) if total > 0 else 0.0
        pointed.append(Pointed(box.finding, patient, hit, energy, float(mask.mean())))
    return pointed


def summarise(pointed: Sequence[Pointed]) -> dict[str, dict[str, Any]]:
    """Return the means for each finding and for all, with 95 % intervals over patients; for JSON.

    ``pointed`` is the share of boxes that hold the hottest point, ``energy`` the mean share of heat
    in the box, ``area`` the mean share of the image in the box.
    """
    findings = sorted({each.finding for each in pointed})
    figures = {}
    for finding in (*findings, ALL):
        chosen = [each for each in pointed if finding in (each.finding, ALL)]
        patients = np.array([each.patient for each in chosen])
        values = np.array([[each.hit, each.energy, each.area] for each in chosen])

        def means(positions: np.ndarray, values: np.ndarray = values) -> dict[str, float]:
            hit, energy, area = values[positions].mean(axis=0)
            return {"pointed": float(hit), "energy": float(energy), "area": float(area)}

        intervals = bootstrap.intervals(means, patients, replicates=bootstrap.REPLICATES)
        n_patients = len(np.unique(patients))
        line: dict[str, Any] = {"n": len(chosen), "n_patients": n_patients}
        for name, value in means(np.arange(len(chosen))).items():
            line[name] = round(value, 4)
            if name != "area":
                interval = intervals[name]
                if name == "pointed":
                    interval = bootstrap.widened(interval, value, n_patients)
                line[f"{name}_interval"] = [round(end, 4) for end in interval]
        figures[finding] = line
    return figures


def measure_pointing(
    responses: Responses, calibration: Calibration, sheet: Path
) -> dict[str, dict[str, Any]]:
    """Compare the maps of all images that have boxes in a sheet with these; for JSON."""
    boxes = read_boxes(sheet)
    size = responses.inputs.shape[1]
    pointed = []
    for image, heat in zip(
        responses.images, calibration.log_odds(responses.activation_maps), strict=True
    ):
        pointed += point(heat, boxes.get(image.path.name, ()), size, image.patient)
    return summarise(pointed)
