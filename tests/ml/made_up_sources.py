"""Small made-up sources of radiographs on disk, with the sheets that name them."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from tests import dicom_files

SIZE = 64
READINGS = ("Lung Opacity", "Normal", "No Lung Opacity / Not Normal", "")


def write_picture(path: Path, seed: int, *, is_chest: bool = True) -> None:
    """Write a phantom, or noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (SIZE, SIZE), dtype=np.uint8)
    pixels = dicom_files.phantom(8, (SIZE, SIZE), seed=seed) if is_chest else noise
    Image.fromarray(pixels).save(path)


def write_sheet(folder: Path, name: str, rows: Sequence[Mapping[str, object]]) -> Path:
    """Write a sheet with the columns of its first row."""
    sheet = folder / name
    with sheet.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return sheet


def write_children(folder: Path) -> Path:
    """Write 60 normal images and 60 with pneumonia, each of another child, in labelled folders."""
    for i in range(60):
        normal = folder / "NORMAL" / f"IM-{i:04}-0001.png"
        kind = ("bacteria", "virus")[i % 2]
        write_picture(normal, i)
        write_picture(folder / "PNEUMONIA" / f"person{i}_{kind}_1.png", 100 + i)
    return folder


def write_adults(folder: Path) -> Path:
    """Write 72 images of as many adults; return their sheet."""
    rows: list[dict[str, object]] = []
    for i in range(72):
        write_picture(folder / f"{i}.png", 200 + i)
        rows.append(
            {
                "file": f"{i}.png",
                "patient": f"a{i}",
                "view": ("PA", "AP")[i // 4 % 2],
                "age": 20 + i,
                "labels": ("Consolidation", "No Finding")[i % 2],
                "rsna": READINGS[i % 4],
                "trust": "",
            }
        )
    return write_sheet(folder, "labels.csv", rows)


def write_hands(folder: Path) -> Path:
    """Write 40 pictures that show no chest; return their sheet."""
    for i in range(40):
        write_picture(folder / f"{i}.png", 300 + i, is_chest=False)
    rows = [{"file": f"{i}.png", "labels": "Hand", "view": ""} for i in range(40)]
    return write_sheet(folder, "labels.csv", rows)
