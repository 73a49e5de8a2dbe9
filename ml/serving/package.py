"""The model package: a folder with weights, thresholds, calibration, gate, card and hashes.

``SHA256SUMS`` lists the hash of every other file, in the form that ``sha256sum --check`` reads; its
own hash is the package's. Imports no deep-learning library: the portal reads packages too.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ml.serving.calibration import Calibration
from ml.serving.stages import ADULT, CHILD

FORMAT = 3
#: Of a package with upper stages for adults.
BRANCHED_FORMAT = 4
#: Of a package with a calibration for adults, on the same upper stages.
CALIBRATED_FORMAT = 5
# Formats that assess adults' images in another way than children's.
FOR_ADULTS = (BRANCHED_FORMAT, CALIBRATED_FORMAT)
FORMATS = (FORMAT, *FOR_ADULTS)
# Formats for which a gate can be refitted: those from before the network provided its layout.
REFITTABLE = (2, *FORMATS)
FACTS_FILE = "package.json"
CARD_FILE = "card.md"
WEIGHTS_FILE = "network.weights.h5"
NETWORK_FILE = "network.onnx"
PROBES_FILE = "probes.npz"
GATE_FILE = "gate.npz"
HASHES_FILE = "SHA256SUMS"
CHOOSER_FILE = "chooser.npz"
WHOLE, TRUNK = "network", "trunk"
# In every package; the rest depends on whether it has upper stages for adults.
COMMON_FILES = (CARD_FILE, GATE_FILE, FACTS_FILE, PROBES_FILE)
FILES = (*COMMON_FILES, NETWORK_FILE, WEIGHTS_FILE)
BRANCHED_FILES = (*COMMON_FILES, CHOOSER_FILE, *(f"{part}.onnx" for part in (TRUNK, CHILD, ADULT)))
#: The plots that a package may have, in the order in which they are shown; see ``plot_file``.
PLOTS = ("images", "learning", "roc", "reliability", "scores")

SHIPPED_PACKAGE = Path(__file__).parents[1] / "packages" / "effnetlite0-2026.12.1"


class PackageError(Exception):
    """The folder is not a valid model package; the message says why.

    `message` is English with `{}` fields, filled from `values`, so that it can be translated for
    display.
    """

    def __init__(self, message: str, values: Mapping[str, object]) -> None:
        super().__init__(message, values)
        self.message = message
        self.values = values

    def __str__(self) -> str:
        return self.message.format(**self.values)


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold on the calibrated probability, with its performance on the held-out folds.

    The intervals are those of 95 % confidence.
    """

    threshold: float
    criterion: str
    sensitivity: float
    specificity: float
    sensitivity_interval: tuple[float, float]
    specificity_interval: tuple[float, float]


@dataclass(frozen=True)
class AdultStages:
    """What a package says of adults' images; see ``ModelPackage``.

    The operating points are the package's.
    """

    calibration: Calibration
    bacterial_calibration: Calibration | None
    heatmap_full_scale: float


@dataclass(frozen=True)
class ModelPackage:
    """A package whose hashes have been verified.

    ``backbone`` is one of ``ml.serving.backbones.BACKBONES``. ``thresholds`` has the operating
    points ``unlikely`` (below it an image is *unlikely*), ``likely`` (from it on an image is
    *likely*) and ``decision`` (for a yes or no). ``calibration`` turns the network's log-odds of
    pneumonia into calibrated ones, and ``bacterial_calibration`` those of bacterial against viral
    pattern (None: no such output); ``heatmap_full_scale`` is the calibrated log-odds that a heat
    map shows as 255. ``figures`` and ``training`` are facts for people, as in package.json.
    ``population`` is what the probability assumes: ``prevalence`` (share with pneumonia it was
    calibrated on, or None), ``youngest_years``, ``oldest_years`` and ``views`` (View Position), as
    far as they are given, and ``adult_stages`` where ``adult`` is given. ``independent`` are
    figures from images that took no part in training the version or in choosing its calibration and
    thresholds: for each set those of ``ml.research.evaluation.figures.measure``, at the version's
    own thresholds, and its ``source`` in words. Older packages have none. ``adult`` is of a package
    that gives what looks like an adult's image a calibration of its own, and, if it
    ``is_branched``, assesses it with upper stages of its own, on the same trunk; what the package
    says besides is of the others. ``plots`` says for each plot that the package has what is seen in
    it.
    """

    path: Path
    name: str
    version: str
    sha256: str
    backbone: str
    input_size: int
    thresholds: Mapping[str, OperatingPoint]
    calibration: Calibration
    bacterial_calibration: Calibration | None
    heatmap_full_scale: float
    figures: Mapping[str, Any]
    training: Mapping[str, Any]
    card: str
    population: Mapping[str, Any] = field(default_factory=dict)
    independent: Sequence[Mapping[str, Any]] = ()
    adult: AdultStages | None = None
    is_branched: bool = False
    plots: Mapping[str, str] = field(default_factory=dict)

    @property
    def weights_path(self) -> Path:
        """Return the file with the weights of a network with one set of stages, for Keras."""
        return self.path / WEIGHTS_FILE

    def part_path(self, part: str) -> Path:
        """Return the file with the whole network, its trunk or a set of upper stages, in ONNX."""
        return self.path / f"{part}.onnx"

    @property
    def chooser_path(self) -> Path:
        """Return the file with what takes an image for a child's or an adult's."""
        return self.path / CHOOSER_FILE

    @property
    def probes_path(self) -> Path:
        """Return the file with probe inputs and the network's recorded outputs."""
        return self.path / PROBES_FILE

    @property
    def gate_path(self) -> Path:
        """Return the file with the gate's parameters."""
        return self.path / GATE_FILE


def load_package(path: Path, formats: Sequence[int] = FORMATS) -> ModelPackage:
    """Read a package of one of the formats after verifying the hash of every file in it.

    Raises ``PackageError`` when a file is missing, altered or not listed in SHA256SUMS, and when
    package.json is of another format.
    """
    sha256 = _verify(path, COMMON_FILES)
    try:
        facts = json.loads((path / FACTS_FILE).read_text())
        if facts["format"] not in formats:
            readable = ", ".join(map(str, formats))
            raise PackageError(
                "Model package {path} has format {found}; this version reads {readable}.",
                {"path": path, "found": facts["format"], "readable": readable},
            )
        _verify(path, _files_of(facts))
        return ModelPackage(
            path=path,
            name=facts["name"],
            version=facts["version"],
            sha256=sha256,
            backbone=facts.get("backbone", "lite0"),
            input_size=facts["input"]["size"],
            thresholds={n: _operating_point(p) for n, p in facts["thresholds"].items()},
            calibration=_calibration(facts["calibration"]),
            bacterial_calibration=_bacterial(facts),
            heatmap_full_scale=facts["heatmap_full_scale"],
            figures=facts["figures"],
            training=facts["training"],
            card=(path / CARD_FILE).read_text(),
            population={
                "prevalence": facts["calibration"].get("prevalence"),
                **facts.get("population", {}),
                **({"adult_stages": True} if facts["format"] in FOR_ADULTS else {}),
            },
            independent=facts.get("independent", []),
            adult=_adult_stages(facts),
            is_branched=facts["format"] == BRANCHED_FORMAT,
            plots=_plots(facts),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise PackageError(
            "{path} is not as it should be: {error}.",
            {"path": path / FACTS_FILE, "error": repr(error)},
        ) from error


def read_listed_file(path: Path, sha256: str, name: str) -> bytes:
    """Read one file of the package that has this hash, without reading the large ones.

    Raises ``PackageError`` if it is another package, or the file missing, altered or not listed.
    """
    if _verify(path, [name]) != sha256:
        raise PackageError("{path} is not the package with this hash.", {"path": path})
    return (path / name).read_bytes()


def read_plots(path: Path, sha256: str) -> Mapping[str, str]:
    """Return the plots of the package that has this hash; see ``ModelPackage``.

    Raises as ``read_listed_file`` does.
    """
    return _plots(json.loads(read_listed_file(path, sha256, FACTS_FILE)))


def _calibration(facts: Mapping[str, Any]) -> Calibration:
    return Calibration(facts["slope"], facts["offset"], facts["margin"])


def _bacterial(facts: Mapping[str, Any]) -> Calibration | None:
    found = facts["bacterial_calibration"]
    return _calibration(found) if found else None


def _adult_stages(facts: Mapping[str, Any]) -> AdultStages | None:
    if facts["format"] not in FOR_ADULTS:
        return None
    said = facts["adult_stages"]
    return AdultStages(
        _calibration(said["calibration"]), _bacterial(said), said["heatmap_full_scale"]
    )


def _files_of(facts: Mapping[str, Any]) -> Sequence[str]:
    files = {BRANCHED_FORMAT: BRANCHED_FILES, CALIBRATED_FORMAT: (*FILES, CHOOSER_FILE)}
    return (*files.get(facts["format"], FILES), *map(plot_file, _plots(facts)))


def plot_file(name: str) -> str:
    """Return where a package has one of its ``PLOTS``, relative to its folder."""
    return f"plots/{name}.png"


def _plots(facts: Mapping[str, Any]) -> dict[str, str]:
    """Return the plots, and what is seen in each, in their order."""
    found: Mapping[str, str] = facts.get("plots", {})
    if unknown := set(found) - set(PLOTS):
        raise ValueError(f"unknown plots: {', '.join(sorted(unknown))}")
    return {name: found[name] for name in PLOTS if name in found}


def _operating_point(facts: Mapping[str, Any]) -> OperatingPoint:
    low_high = {key: tuple(facts[key]) for key in ("sensitivity_interval", "specificity_interval")}
    return OperatingPoint(**{**facts, **low_high})


def _verify(path: Path, files: Sequence[str]) -> str:
    """Compare files with their hashes and return the package's."""
    try:
        listing = (path / HASHES_FILE).read_bytes()
    except OSError as error:
        raise PackageError(
            "{path} is not a model package: {file} cannot be read ({error}).",
            {"path": path, "file": HASHES_FILE, "error": error.strerror},
        ) from error
    lines = (line.split("  ", 1) for line in listing.decode().splitlines() if "  " in line)
    listed = {name: digest for digest, name in lines}
    for name in files:
        values = {"path": path, "file": name}
        if name not in listed:
            raise PackageError(
                "Model package {path}: {listing} does not list {file}.",
                {**values, "listing": HASHES_FILE},
            )
        try:
            found = sha256_of(path / name)
        except FileNotFoundError as error:
            raise PackageError(
                "Model package {path}: {file} is missing. Install the package again.", values
            ) from error
        except OSError as error:
            raise PackageError(
                "Model package {path}: {file} cannot be read ({error}).",
                {**values, "error": error.strerror},
            ) from error
        if found != listed[name]:
            raise PackageError(
                "Model package {path}: {file} is not the file that was packed (SHA-256 {found},"
                " expected {expected}). Install the package again.",
                {**values, "found": found, "expected": listed[name]},
            )
    return hashlib.sha256(listing).hexdigest()


def sha256_of(file: Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def seal_package(path: Path) -> None:
    """Write SHA256SUMS over a package's files. Raises OSError when one is missing."""
    files = sorted(_files_of(json.loads((path / FACTS_FILE).read_text())))
    lines = [f"{sha256_of(path / name)}  {name}\n" for name in files]
    (path / HASHES_FILE).write_text("".join(lines))
