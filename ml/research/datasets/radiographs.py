"""Labelled radiographs on disk, and folds of them that share no patient.

Understands the layout and the file names of the paediatric set from Guangzhou (Kermany et al.,
Cell 172, 2018) as published on Kaggle and Mendeley Data.
"""

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ml.serving.preprocessing import read_input

NORMAL, PNEUMONIA = "NORMAL", "PNEUMONIA"
PNEUMONIA_NAME = re.compile(r"person(?P<patient>\d+)_(?P<kind>bacteria|virus)_")
NORMAL_NAME = re.compile(r"(?P<series>(?:NORMAL2-)?IM)-(?P<patient>\d+)-")

# The share of the pessimistic fold that is normal, as in the published test split.
PESSIMISTIC_NORMAL_SHARE = 0.375


class DatasetError(ValueError):
    """The folder does not contain labelled radiographs."""


@dataclass(frozen=True)
class LabelledImage:
    """One labelled file. ``patient`` is the same for all images of one patient.

    ``kind`` is normal, bacteria, virus, or pneumonia where the name does not tell which.
    ``columns`` is what else a sheet of labels says of it.
    """

    path: Path
    kind: str
    patient: str
    series: str
    number: int
    columns: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def is_pneumonia(self) -> bool:
        """Whether the label is pneumonia, of any kind."""
        return self.kind != "normal"


def find_images(folder: Path) -> list[LabelledImage]:
    """Find the files under folders named NORMAL and PNEUMONIA, at any depth.

    Raises ``DatasetError`` if either class has no file.
    """
    images = [
        _labelled(path, label)
        for label in (NORMAL, PNEUMONIA)
        for path in sorted(folder.glob(f"**/{label}/*"))
        if path.is_file() and not path.name.startswith(".")
    ]
    for label, wanted in ((NORMAL, False), (PNEUMONIA, True)):
        if not any(image.is_pneumonia == wanted for image in images):
            raise DatasetError(
                f"No file in a folder named {label} under {folder}. "
                f"Expected folders {NORMAL} and {PNEUMONIA} with one image a file."
            )
    return images


def _labelled(path: Path, label: str) -> LabelledImage:
    """Read kind and patient from the file name; a file of another name is a patient of its own.

    IM-0400 and NORMAL2-IM-0400 are two patients: the publishers' own split cuts each series of
    numbers at another place.
    """
    match = (NORMAL_NAME if label == NORMAL else PNEUMONIA_NAME).match(path.name)
    if not match:
        return LabelledImage(path, label.lower(), path.stem, "", 0)
    number = int(match["patient"])
    if label == NORMAL:
        return LabelledImage(path, "normal", f"{match['series']}-{number}", match["series"], number)
    return LabelledImage(path, match["kind"], f"person{number}", "person", number)


@dataclass(frozen=True)
class Folds:
    """Images to train on, and two sets of patients held out.

    ``random`` is drawn at random, stratified by kind. ``pessimistic`` imitates the published test
    split: the normals with the lowest patient numbers of each series, and pneumonia patients drawn
    to the same proportion.
    """

    training: list[LabelledImage]
    random: list[LabelledImage]
    pessimistic: list[LabelledImage]


def make_folds(found: list[LabelledImage], *, share: float = 0.1, seed: int = 0) -> Folds:
    """Split images into training and held-out folds that share no patient.

    ``share`` is the fraction of the normal images for the pessimistic fold, and the fraction of the
    patients of each kind for the random one.
    """
    rng = np.random.default_rng(seed)
    images_of: dict[str, int] = {}
    for image in found:
        images_of[image.patient] = images_of.get(image.patient, 0) + 1

    low = _lowest_numbered([image for image in found if not image.is_pneumonia], share)
    low_images = sum(images_of[patient] for patient in low)
    wanted = round(low_images * (1 - PESSIMISTIC_NORMAL_SHARE) / PESSIMISTIC_NORMAL_SHARE)
    ill = sorted({image.patient for image in found if image.is_pneumonia})
    rng.shuffle(ill)
    taken = np.cumsum([images_of[patient] for patient in ill])
    pessimistic = low | set(ill[: int(np.searchsorted(taken, wanted))])

    random: set[str] = set()
    for kind in sorted({image.kind for image in found}):
        left = sorted({i.patient for i in found if i.kind == kind} - pessimistic)
        rng.shuffle(left)
        random.update(left[: round(len(left) * share)])

    return Folds(
        training=[i for i in found if i.patient not in pessimistic | random],
        random=[i for i in found if i.patient in random],
        pessimistic=[i for i in found if i.patient in pessimistic],
    )


def _lowest_numbered(found: list[LabelledImage], share: float) -> set[str]:
    """Return the patients with the lowest numbers of each series, for a share of its images."""
    patients: set[str] = set()
    for series in {image.series for image in found}:
        ordered = sorted((i for i in found if i.series == series), key=lambda image: image.number)
        patients.update(image.patient for image in ordered[: round(len(ordered) * share)])
    return patients


def load_inputs(labelled: list[LabelledImage], size: int, description: str) -> np.ndarray:
    """Read images as network inputs: (n, size, size) uint8."""

    def load(image: LabelledImage) -> np.ndarray:
        return read_input(image.path.read_bytes(), size)

    with ThreadPoolExecutor() as pool:
        inputs = list(tqdm(pool.map(load, labelled), description, len(labelled), unit="image"))
    return np.stack(inputs)


def labels(labelled: list[LabelledImage]) -> np.ndarray:
    """Return 1.0 for pneumonia and 0.0 for normal: (n,) float32."""
    return np.array([image.is_pneumonia for image in labelled], np.float32)
