"""Training configurations side by side."""

import json
from pathlib import Path

import numpy as np
import pytest

from ml.__main__ import main
from ml.commands.compare import read_options
from ml.commands.errors import CommandError
from ml.research import comparison
from ml.research.comparison import measure_trial
from ml.research.datasets.radiographs import LabelledImage
from ml.research.evaluation.responses import Responses
from ml.research.packaging.export import export_network
from tests.ml.networks import random_network, uncompiled
from tests.ml.test_commands import blank_set

FIGURES = {
    "acquisition_auroc": 0.9912,
    "acquisition_specificity": 0.92,
    "pooled_auroc": 0.9941,
    "shortcuts_auroc": 0.9832,
    "shortcuts_specificity": 0.86,
    "rim_share": 0.034,
    "training_seconds": 300,
}


def test_a_trial_changes_only_the_options_it_names() -> None:
    options = read_options("input_size=192,backbone=lite1,rim_penalty=0.2")

    assert (options.input_size, options.backbone, options.rim_penalty) == (192, "lite1", 0.2)
    assert (options.epochs, options.images_per_class) == (6, 800)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("size=192", "'size' is not an option"), ("epochs=many", "'many' cannot be epochs")],
)
def test_an_unknown_option_or_value_is_named(text: str, complaint: str) -> None:
    with pytest.raises(CommandError, match=complaint):
        read_options(text)


def test_a_network_is_measured_on_the_misleading_fold_and_on_all() -> None:
    network = random_network(64)
    rng = np.random.default_rng(0)
    kinds = ["normal", "virus"] * 10
    images = [LabelledImage(Path(str(i)), kind, f"p{i}", "", i) for i, kind in enumerate(kinds)]
    inputs = rng.integers(0, 256, (20, 64, 64), dtype=np.uint8)
    with uncompiled():
        answers = Responses.of(network, inputs, images)
    order = np.argsort(answers.logits)
    half = len(order) // 2
    well_told = [LabelledImage(Path("n"), "normal", "n", "", 0)] * half
    well_told += [LabelledImage(Path("v"), "virus", "v", "", 0)] * half

    with uncompiled():
        measured = measure_trial(
            network,
            [
                Responses.of(network, inputs[order], well_told),
                Responses.of(network, inputs[order], well_told[::-1]),
            ],
            seconds=12.4,
        )

    assert (measured.acquisition_auroc, measured.acquisition_specificity) == (1.0, 1.0)
    assert measured.pooled_auroc == 0.5
    assert measured.training_seconds == 12


def test_finished_trials_are_kept_and_only_speed_is_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(comparison, "TURN_SECONDS", 0.05)
    sizes = {"input_size=32": 32, "input_size=128": 128}
    for name, size in sizes.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(FIGURES))
        export_network(random_network(size, backbone="lite0"), tmp_path / f"{name}.onnx")
    data = blank_set(tmp_path / "data")

    assert main(["compare", *sizes, "--data", str(data), "--out", str(tmp_path)]) == 0

    small, large = (line.split(" | ") for line in capsys.readouterr().out.splitlines()[2:])
    assert small[:5] == ["| input_size=32", "0.991, 92 %", "0.9941", "0.983, 86 %", "3 %"]
    assert float(small[5]) > 2 * float(large[5])
