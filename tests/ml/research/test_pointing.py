"""The heat map against drawn boxes."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml.__main__ import main
from ml.research.evaluation.pointing import ALL, Box, point, read_boxes, summarise
from tests import dicom_files

SIZE = 140


def hot_at(row: int, column: int) -> np.ndarray:
    heat = np.full((14, 14), -1.0)
    heat[row, column] = 4
    return heat


def test_heat_in_the_box_points_there_and_heat_elsewhere_does_not() -> None:
    right_upper = Box("Mass", 0.5, 0.0, 0.5, 0.5)
    left_lower = Box("Effusion", 0.0, 0.5, 0.5, 0.5)
    there, elsewhere = point(hot_at(3, 10), [right_upper, left_lower], SIZE, "p")
    assert (there.finding, there.hit, there.area) == ("Mass", 1, 0.25)
    assert there.energy > 0.99
    assert (elsewhere.finding, elsewhere.hit) == ("Effusion", 0)
    assert elsewhere.energy < 0.01


def test_heat_spread_evenly_has_the_energy_of_the_boxs_area() -> None:
    (even,) = point(np.ones((14, 14)), [Box("Mass", 0.1, 0.2, 0.3, 0.4)], SIZE, "p")
    assert even.energy == pytest.approx(even.area)
    assert even.area == pytest.approx(0.12)


def test_an_image_without_heat_points_nowhere() -> None:
    (cold,) = point(np.full((14, 14), -2.0), [Box("Mass", 0, 0, 1, 1)], SIZE, "p")
    assert (cold.hit, cold.energy) == (0, 0)


def test_figures_are_given_for_each_finding_and_all() -> None:
    box = Box("Mass", 0.5, 0.0, 0.5, 0.5)
    pointed = [
        *point(hot_at(3, 10), [box], SIZE, "a"),
        *point(hot_at(10, 3), [box], SIZE, "b"),
        *point(hot_at(3, 10), [box._replace(finding="Effusion")], SIZE, "c"),
    ]
    figures = summarise(pointed)
    assert list(figures) == ["Effusion", "Mass", ALL]
    assert figures["Mass"]["pointed"] == 0.5
    assert figures[ALL]["pointed"] == pytest.approx(2 / 3, abs=1e-4)
    low, high = figures["Effusion"]["pointed_interval"]
    # A single patient proves next to nothing.
    assert (low, high) == (pytest.approx(0.025, abs=1e-3), 1)


def test_boxes_are_read_by_file(tmp_path: Path) -> None:
    sheet = tmp_path / "boxes.csv"
    sheet.write_text(
        "file,finding,x,y,width,height\na.jpg,Mass,0.1,0.2,0.3,0.4\na.jpg,Nodule,0,0,0.1,0.1\n"
    )
    boxes = read_boxes(sheet)
    assert boxes["a.jpg"][0] == Box("Mass", 0.1, 0.2, 0.3, 0.4)
    assert len(boxes["a.jpg"]) == 2


def write_sheets(folder: Path, boxed: str) -> list[str]:
    Image.fromarray(dicom_files.phantom(8, (224, 224))).save(folder / "a.png")
    (folder / "labels.csv").write_text("file,patient\na.png,p1\nmissing.png,p2\n")
    (folder / "boxes.csv").write_text(
        f"file,finding,x,y,width,height\n{boxed},Mass,0.1,0.2,0.3,0.4\n"
    )
    images, boxes = (str(folder / name) for name in ("labels.csv", "boxes.csv"))
    return ["pointing", "--images", images, "--boxes", boxes, "--device", "cpu", "--json"]


def test_the_command_measures_the_images_that_have_boxes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(write_sheets(tmp_path, "a.png")) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["Mass"]["n"] == figures[ALL]["n"] == 1
    assert figures["Mass"]["area"] == pytest.approx(0.12, abs=0.01)


def test_the_command_says_when_no_image_has_a_box(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(write_sheets(tmp_path, "other.png")) == 1
    assert "No image of" in capsys.readouterr().err
