"""The plots of a package."""

from pathlib import Path

import numpy as np
import pytest

from ml.research.evaluation.figures import Cases

pytest.importorskip("matplotlib", reason="needs the extra evaluation (matplotlib)")
from ml.research.packaging.plots import Plotted, read_history, write_package_plots

THRESHOLDS = {"unlikely": 0.2, "decision": 0.5, "likely": 0.8}
SPLITS = {"children, training": ["normal", "virus", "virus"], "adults, training": ["unread"]}


def cases(kinds: list[str], probabilities: list[float]) -> Cases:
    return Cases(np.array(kinds), np.arange(len(kinds)).astype(str), np.array(probabilities))


def write_history(folder: Path, *lines: str) -> Path:
    file = folder / "history.csv"
    file.write_text(
        "\n".join(["epoch,logit_accuracy,loss,logit_loss,val_logit_loss", *lines]) + "\n"
    )
    return file


def test_each_plot_says_what_is_seen_in_it(tmp_path: Path) -> None:
    groups = {
        "children": cases(["normal", "virus", "virus"], [0.1, 0.9, np.nan]),
        "adults": cases(["normal", "normal"], [0.3, 0.6]),
        "refused": cases(["virus"], [np.nan]),
    }
    history = write_history(tmp_path, "0,0.5,9,1.5,1.7", "1,0.75,9,1.25,1.6")
    seen = write_package_plots(
        tmp_path, Plotted(SPLITS, groups, [history], "adults seen"), THRESHOLDS
    )
    assert set(seen) == {"images", "learning", "roc", "reliability", "scores"}
    assert {f"{name}.png" for name in seen} == {f.name for f in (tmp_path / "plots").iterdir()}
    assert "children, training: 1 normal, 2 virus; adults, training: 1 not read" in seen["images"]
    assert "logit_loss 1.500 to 1.250, val_logit_loss 1.700 to 1.600" in seen["learning"]
    assert "logit_accuracy 0.500 to 0.750" in seen["learning"]
    assert seen["roc"] == "ROC curves (adults seen): area under the curve 1.000 (children)."
    assert "0.100 (children), 0.450 (adults)" in seen["reliability"]
    assert "0.200, 0.500, 0.800" in seen["scores"]
    assert seen["scores"].endswith(": children, adults.")


def test_what_was_not_recorded_is_not_plotted(tmp_path: Path) -> None:
    plotted = Plotted({}, {}, [tmp_path / "missing.csv"])
    assert write_package_plots(tmp_path, plotted, THRESHOLDS) == {}
    assert not (tmp_path / "plots").exists()


def test_an_epoch_that_was_trained_again_counts_once(tmp_path: Path) -> None:
    history = read_history(write_history(tmp_path, "0,0.5,9,3,3", "1,0.6,9,9,9", "1,0.7,9,2,2"))
    assert history == {"logit_loss": [3, 2], "val_logit_loss": [3, 2], "logit_accuracy": [0.5, 0.7]}


def test_a_training_without_validation_has_none_in_its_history(tmp_path: Path) -> None:
    # As Keras writes it.
    history = read_history(write_history(tmp_path, "0,0.5,9,3,NA", "1,0.6,9,2,NA"))
    assert history == {"logit_loss": [3, 2], "logit_accuracy": [0.5, 0.6]}
