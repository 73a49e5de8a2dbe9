"""From a network trained on two sources to a package with a gate of its own."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml.research.joint import JointOptions
from ml.research.joint_packaging import Measuring, package_jointly
from ml.research.material import part_of
from ml.research.parts import InParts
from ml.research.sources import Sources
from ml.serving.package import ModelPackage
from tests import dicom_files
from tests.ml.networks import random_network

SIZE = 64
READINGS = ("Lung Opacity", "Normal", "No Lung Opacity / Not Normal", "")


def write_picture(path: Path, seed: int, *, is_chest: bool = True) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (SIZE, SIZE), dtype=np.uint8)
    pixels = dicom_files.phantom(8, (SIZE, SIZE), seed=seed) if is_chest else noise
    Image.fromarray(pixels).save(path)


def write_sheet(folder: Path, name: str, rows: Sequence[Mapping[str, object]]) -> Path:
    sheet = folder / name
    with sheet.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return sheet


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i in range(60):
        normal = tmp_path / "children" / "NORMAL" / f"IM-{i:04}-0001.png"
        kind = ("bacteria", "virus")[i % 2]
        write_picture(normal, i)
        write_picture(normal.parents[1] / "PNEUMONIA" / f"person{i}_{kind}_1.png", 100 + i)
    return tmp_path


def adults(folder: Path) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for i in range(72):
        write_picture(folder / "adults" / f"{i}.png", 200 + i)
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
    return rows


@pytest.mark.timeout(900)
def test_a_package_of_two_sources_has_a_gate_and_figures_of_patients_left_out(
    folder: Path, shipped: ModelPackage
) -> None:
    rows = adults(folder)
    hands = [{"file": f"{i}.png", "labels": "Hand", "view": ""} for i in range(40)]
    for i in range(40):
        write_picture(folder / "hands" / f"{i}.png", 300 + i, is_chest=False)
    boxes = [
        {"file": f"{i}.png", "finding": "Mass", "x": 0.2, "y": 0.2, "width": 0.5, "height": 0.5}
        for i in range(72)
    ]
    options = JointOptions(input_size=SIZE, left_out=(1,))
    sheet = write_sheet(folder / "adults", "labels.csv", rows)
    sources = Sources.read(folder / "children", sheet, SIZE, options.seed, options.trust)
    network = random_network(SIZE)
    package = package_jointly(
        folder / "joint-2026.11",
        InParts(network, {1: network}),
        shipped,
        sources,
        options,
        Measuring(
            write_sheet(folder / "hands", "labels.csv", hands),
            boxes=write_sheet(folder, "boxes.csv", boxes),
            per_kind=1,
            varied=8,
        ),
        "python -m ml joint",
    )

    facts = json.loads((package.path / "package.json").read_text())
    unseen = [image for image in sources.adults if part_of(image) == 1]
    read = [image for image in unseen if image.columns["rsna"]]
    assert facts["adults"]["opacity against all others"]["n"] == len(read)
    assert facts["pointing"]["all findings"]["n"] == len(unseen)
    assert facts["training"]["adults"]["images"] == 72 - len(unseen)
    assert {line["source"] for line in facts["gate"]["groups"]} == {"children", "adults"}
    assert "hands: Hand" in facts["gate"]["outsiders"]
    assert package.gate_path.read_bytes() != shipped.gate_path.read_bytes()
    assert f"{shipped.version} as a teacher" in package.card
    assert "| all findings |" in package.card
