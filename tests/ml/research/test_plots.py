"""The plots of an evaluation."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml.research.datasets.radiographs import LabelledImage
from ml.research.evaluation.figures import Cases

pytest.importorskip("matplotlib", reason="needs the extra evaluation (matplotlib)")
from ml.research.evaluation.group_plots import write_group_plots
from ml.research.evaluation.plots import reliability_curve, roc_curve, write_plots

THRESHOLDS = {"unlikely": 0.2, "decision": 0.5, "likely": 0.8}
PLOTS = {"roc.png", "precision_recall.png", "reliability.png", "confusion.png", "worst_errors.png"}


def labelled(folder: Path, kinds: list[str]) -> list[LabelledImage]:
    """Write an image for each kind; all are black but for one grey level."""
    found = []
    for number, kind in enumerate(kinds):
        path = folder / f"{number}.png"
        Image.fromarray(np.full((60, 50), 5 * number, np.uint8)).save(path)
        found.append(LabelledImage(path, kind, str(number), "", number))
    return found


def test_plots_show_the_assessed_images(tmp_path: Path) -> None:
    kinds = ["normal", "normal", "bacteria", "virus", "virus"]
    found = labelled(tmp_path, kinds)
    cases = Cases.of(found, np.array([0.1, 0.9, 0.95, 0.3, np.nan]))
    files = write_plots(tmp_path / "plots", cases, found, THRESHOLDS)
    assert {file.name for file in files} == PLOTS
    for file in files:
        pixels = np.asarray(Image.open(file).convert("L"))
        assert pixels.min() < 100 < 240 < pixels.max()


def test_the_contact_sheet_shows_only_the_worst_errors(tmp_path: Path) -> None:
    kinds = ["normal"] * 30 + ["virus"]
    found = labelled(tmp_path, kinds)
    # The first 29 are wrong, the later the worse; files of the sheet alone are read.
    cases = Cases.of(found, np.array([0.6 + number / 100 for number in range(29)] + [0.1, 0.9]))
    for image in (*found[:5], *found[29:]):
        image.path.unlink()
    write_plots(tmp_path / "plots", cases, found, THRESHOLDS)
    found[28].path.unlink()
    with pytest.raises(FileNotFoundError, match=r"28\.png"):
        write_plots(tmp_path / "plots", cases, found, THRESHOLDS)


def test_one_class_alone_has_no_curves(tmp_path: Path) -> None:
    found = labelled(tmp_path, ["normal", "normal"])
    files = write_plots(
        tmp_path / "plots", Cases.of(found, np.array([0.1, 0.9])), found, THRESHOLDS
    )
    assert {file.name for file in files} == PLOTS - {"roc.png", "precision_recall.png"}
    refused = Cases.of(found, np.full(2, np.nan))
    assert len(write_plots(tmp_path / "plots", refused, found, THRESHOLDS)) == 3


def test_curves_go_through_the_observed_shares() -> None:
    targets, probabilities = np.array([0.0, 1, 0, 1]), np.array([0.12, 0.18, 0.62, 0.9])
    x, y = roc_curve(targets, probabilities)
    assert (x.tolist(), y.tolist()) == ([0, 0, 0.5, 0.5, 1], [0, 0.5, 0.5, 1, 1])
    stated, observed = reliability_curve(targets, probabilities)
    np.testing.assert_allclose(stated, [0.15, 0.62, 0.9])
    assert observed.tolist() == [0.5, 0, 1]


def test_groups_are_plotted_beside_each_other_whatever_classes_they_have(tmp_path: Path) -> None:
    found = labelled(tmp_path, ["normal", "virus", "normal", "normal", "virus"])
    cases = Cases.of(found, np.array([0.1, 0.9, 0.4, 0.3, np.nan]))
    groups = ["children", "children", "adults", "adults", "refused"]
    files = write_group_plots(tmp_path / "plots", cases, groups, THRESHOLDS)
    assert [file.name for file in files] == [
        "roc_by_group.png",
        "reliability_by_group.png",
        "scores_by_group.png",
    ]
    of_all = {file.name: file.read_bytes() for file in files}
    # The refused image takes part in none of them.
    kept = Cases.of(found[:4], cases.probabilities[:4])
    for file in write_group_plots(tmp_path / "fewer", kept, groups[:4], THRESHOLDS):
        assert file.read_bytes() == of_all[file.name]
    refused = Cases.of(found, np.full(5, np.nan))
    assert write_group_plots(tmp_path / "none", refused, groups, THRESHOLDS) == []
