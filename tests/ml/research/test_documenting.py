"""A package gets plots and figures of drawn boxes without being trained again."""

import json
from pathlib import Path

import pytest

from ml.__main__ import main
from ml.serving.package import ModelPackage, load_package
from tests.ml.made_up_sources import write_adults, write_children, write_sheet

pytestmark = pytest.mark.usefixtures("_few_replicates")

UNCHANGED = ("network.onnx", "network.weights.h5", "gate.npz", "probes.npz")


def test_a_documented_package_has_the_same_network_gate_and_thresholds(
    tmp_path: Path, shipped: ModelPackage
) -> None:
    boxes = [
        {"file": f"{i}.png", "finding": "Mass", "x": 0.2, "y": 0.2, "width": 0.5, "height": 0.5}
        for i in range(5)
    ]
    adults = write_adults(tmp_path / "adults")
    arguments = [
        "document",
        f"--data={write_children(tmp_path / 'children')}",
        f"--adults={adults}",
        f"--boxes={write_sheet(adults.parent, 'boxes.csv', boxes)}",
        f"--out={tmp_path / 'documented-1'}",
    ]

    assert main(arguments) == 0

    made = load_package(tmp_path / "documented-1")
    assert made.version == "documented-1"
    for name in UNCHANGED:
        assert (made.path / name).read_bytes() == (shipped.path / name).read_bytes()
    assert (made.thresholds, made.calibration) == (shipped.thresholds, shipped.calibration)
    assert made.figures == shipped.figures
    # The shipped network was trained with the adults of such a sheet: they are no test of it.
    assert "they were in the training" in made.plots["roc"]
    assert (
        "adults, training: 18 normal, 18 abnormal without opacity, 18 opacity"
        in (made.plots["images"])
    )
    of_adults = json.loads((made.path / "package.json").read_text())["adult_stages"]
    assert of_adults["pointing"]["all findings"]["n"] == 5
    assert "that the network was trained with, without the boxes" in made.card
    assert main(arguments) == 1


def test_boxes_need_the_sheet_of_their_radiographs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [f"--data={tmp_path}", f"--boxes={tmp_path}", f"--out={tmp_path / 'new'}"]
    assert main(["document", *paths]) == 1
    assert "give their sheet, --adults" in capsys.readouterr().err
