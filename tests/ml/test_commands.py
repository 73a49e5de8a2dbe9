"""The command line: python -m ml."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml.package import ModelPackage


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ml", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_predict_gives_a_result_or_a_reason_for_each_file(tmp_path: Path) -> None:
    blank, broken = tmp_path / "blank.png", tmp_path / "broken.png"
    Image.fromarray(np.zeros((300, 400), np.uint8)).save(blank)
    broken.write_bytes(blank.read_bytes()[:60])

    done = run("predict", blank, broken, tmp_path / "missing.png", "--json")

    results = json.loads(done.stdout)
    assert done.returncode == 1
    assert [Path(result["file"]).name for result in results] == [
        "blank.png",
        "broken.png",
        "missing.png",
    ]
    assert [r["category"] for r in results] == ["not_assessable", "unreadable", "unreadable"]
    assert all(result["reason"] and result["probability"] is None for result in results)


def test_evaluate_on_real_radiographs(radiographs: Path, shipped: ModelPackage) -> None:
    """End to end on full-size files. Most of them are training images: a check of the path, not
    of the network."""
    done = run("evaluate", "--data", radiographs, "--json")

    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["package"] == shipped.version
    assert figures["n"] == 48
    assert figures["unreadable"] == 0
    assert figures["refused"] <= 0.03
    assert figures["auroc"] > 0.97
    assert min(figures["accuracy"], figures["sensitivity"], figures["specificity"]) > 0.85
    assert figures["ece"] < 0.1


@pytest.mark.parametrize("command", ["evaluate", "train"])
def test_data_without_labels_is_a_plain_error(tmp_path: Path, command: str) -> None:
    arguments = ["--out", str(tmp_path / "out")] if command == "train" else []
    done = run(command, "--data", tmp_path, *arguments)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("error: No file in a folder named")


def test_a_folder_that_is_no_package_is_a_plain_error(tmp_path: Path) -> None:
    done = run("benchmark", "--package", tmp_path)
    assert done.returncode == 1
    assert "is no model package" in done.stderr
