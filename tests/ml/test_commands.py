"""The command line: python -m ml."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest
from PIL import Image

from ml.__main__ import main
from ml.serving.package import SHIPPED_PACKAGE, ModelPackage, load_package, sha256_of
from tests import dicom_files


class Run(Protocol):
    def __call__(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]: ...


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process: a new one would take seconds to load the libraries."""

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        words = [str(argument) for argument in arguments]
        status = main(words)
        said = capsys.readouterr()
        return subprocess.CompletedProcess(words, status, said.out, said.err)

    return run


def run_process(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)


def blank_set(folder: Path) -> Path:
    """Write one blank picture of each class, which the gate refuses."""
    for label, name in (("NORMAL", "IM-1-1.png"), ("PNEUMONIA", "person1_virus_1.png")):
        (folder / label).mkdir(parents=True)
        Image.fromarray(np.zeros((300, 400), np.uint8)).save(folder / label / name)
    return folder


def test_predict_gives_a_result_or_a_reason_for_each_file(tmp_path: Path) -> None:
    blank, broken = tmp_path / "blank.png", tmp_path / "broken.png"
    Image.fromarray(np.zeros((300, 400), np.uint8)).save(blank)
    broken.write_bytes(blank.read_bytes()[:60])

    files = map(str, (broken, tmp_path / "missing.png", tmp_path, blank))
    done = run_process("-m", "ml", "predict", *files, "--json")

    results = json.loads(done.stdout)
    assert done.returncode == 1
    assert [Path(result["file"]).name for result in results] == [
        "broken.png",
        "missing.png",
        tmp_path.name,
        "blank.png",
    ]
    assert [r["category"] for r in results] == [*["unreadable"] * 3, "not_assessable"]
    assert all(result["reason"] and result["probability"] is None for result in results)
    assert len({frozenset(result) for result in results}) == 1  # the same keys for each


def test_predict_gives_full_results_for_any_file_format(
    tmp_path: Path, radiographs: Path, shipped: ModelPackage, run: Run
) -> None:
    jpeg = min((radiographs / "PNEUMONIA").iterdir())
    pixels = np.asarray(Image.open(jpeg).convert("L"))
    png, dicom = tmp_path / "a.png", tmp_path / "a.dcm"
    Image.fromarray(pixels).save(png)
    dicom.write_bytes(dicom_files.dicom(pixels))

    done = run("predict", jpeg, png, dicom, "--json")

    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    thresholds = {name: point.threshold for name, point in shipped.thresholds.items()}
    for result in results:
        assert result["package"] == shipped.version
        assert result["thresholds"] == thresholds
        assert result["pneumonia_at_decision"] == (result["probability"] >= thresholds["decision"])
        assert result["reason"] == result["reason_code"] == result["correction"] == ""
        assert result["category"] in ("likely", "indeterminate", "unlikely")
        heatmap = np.array(result["heatmap"])
        assert heatmap.shape[0] == heatmap.shape[1] >= 7
        assert (result["assessed_as"] == "") == (shipped.adult is None)
        if result["assessed_as"] != "adult":
            patterns = shipped.bacterial_calibration
            assert (result["bacterial_probability"] is None) == (patterns is None)
    probabilities = [result["probability"] for result in results]
    assert np.ptp(probabilities) < 0.05


def test_evaluate_on_real_radiographs(
    radiographs: Path, shipped: ModelPackage, tmp_path: Path, run: Run
) -> None:
    """End to end on full-size files. Most of them are training images: a check of the path, not
    of the network."""
    done = run("evaluate", "--data", radiographs, "--json", "--plots", tmp_path / "plots")

    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["package"] == shipped.version
    assert figures["n"] == 48
    assert figures["unreadable"] == 0
    assert figures["refused"] <= 0.03
    assert figures["auroc"] > 0.97
    assert min(figures["accuracy"], figures["sensitivity"], figures["specificity"]) > 0.85
    assert figures["ece"] < 0.1
    assert set(figures["operating_points"]) == {"unlikely", "decision", "likely"}
    low, high = figures["accuracy_interval"]
    assert low < figures["accuracy"] <= high
    assert {file.name for file in (tmp_path / "plots").iterdir()} == {
        "roc.png",
        "precision_recall.png",
        "reliability.png",
        "confusion.png",
        "worst_errors.png",
    }


def test_evaluate_names_what_it_cannot_read_and_measures_the_rest(tmp_path: Path, run: Run) -> None:
    data = blank_set(tmp_path)
    (data / "NORMAL" / "notes.txt").write_text("no picture")

    done = run("evaluate", "--data", data, "--json")

    assert done.returncode == 0, done.stderr
    assert "notes.txt: The file is not a DICOM, JPEG or PNG image" in done.stderr
    figures = json.loads(done.stdout)
    assert figures["n"] == 2
    assert figures["unreadable"] == 1
    assert figures["refused"] == 1.0
    assert figures["accuracy"] is None
    assert figures["accuracy_refused_as_wrong"] == 0.0


def test_evaluate_reads_a_sheet_and_gives_figures_by_group(tmp_path: Path, run: Run) -> None:
    data = blank_set(tmp_path / "images")
    rows = ["NORMAL/IM-1-1.png,normal,AP", "PNEUMONIA/person1_virus_1.png,pneumonia,PA"]
    sheet = tmp_path / "labels.csv"
    sheet.write_text("\n".join(["file,label,view", *rows, "unlabelled.png,,PA"]))
    arguments = ("evaluate", "--data", data, "--labels", sheet, "--by", "view", "--json")

    gated, ungated = (
        json.loads(run(*arguments, *more).stdout) for more in ((), ("--ignore-gate",))
    )

    assert (gated["n"], gated["unlabelled"], gated["gate"]) == (2, 1, "asked")
    assert {name: group["n"] for name, group in gated["groups"].items()} == {"AP": 1, "PA": 1}
    assert gated["groups"]["AP"]["refused"] == 1.0
    assert gated["groups"]["PA"]["n_pneumonia"] == 1
    # A blank picture is assessed all the same.
    assert (ungated["refused"], ungated["gate"]) == (0.0, "ignored")
    assert ungated["accuracy"] is not None
    assert ungated["groups"]["AP"]["auroc"] is None


def test_evaluate_says_which_column_is_missing(tmp_path: Path, run: Run) -> None:
    sheet = tmp_path / "labels.csv"
    sheet.write_text("file,label\na.png,normal\n")
    assert "no column 'view'" in run("evaluate", "--labels", sheet, "--by", "view").stderr
    assert "give --labels" in run("evaluate", "--data", tmp_path, "--by", "view").stderr
    assert "--data or --labels" in run("evaluate").stderr


def test_independent_figures_make_a_new_version_of_the_same_network(
    tmp_path: Path, run: Run
) -> None:
    data, out = blank_set(tmp_path), tmp_path / "measured-1"
    arguments = ("independent", "--data", data, "--of", "blank sheets", "--out", out)
    done = run(*arguments)
    assert done.returncode == 0, done.stderr

    shipped, measured = load_package(SHIPPED_PACKAGE), load_package(out)
    assert measured.version == "measured-1"
    assert (measured.thresholds, measured.calibration) == (shipped.thresholds, shipped.calibration)
    network, before = (min(each.path.glob("*.onnx")) for each in (measured, shipped))
    assert sha256_of(network) == sha256_of(before)
    assert shipped.independent == []
    (figures,) = measured.independent
    assert (figures["source"], figures["n"], figures["refused"]) == ("blank sheets", 2, 1.0)
    thresholds = {name: point["threshold"] for name, point in figures["operating_points"].items()}
    assert thresholds == {name: point.threshold for name, point in shipped.thresholds.items()}
    assert "blank sheets" in measured.card
    assert "None: every image took part" not in measured.card

    again = run(*arguments)
    assert again.returncode == 1
    assert "is there already" in again.stderr


def test_evaluate_needs_matplotlib_only_for_plots(tmp_path: Path) -> None:
    data = blank_set(tmp_path)
    without = (
        "import sys; sys.modules['matplotlib'] = None; import ml.__main__;"
        " sys.argv[0] = 'ml'; sys.exit(ml.__main__.main())"
    )
    command = ["-c", without, "evaluate", "--data", str(data)]
    done = run_process(*command)
    assert done.returncode == 0, done.stderr
    assert "refused: 1.0" in done.stdout
    done = run_process(*command, "--plots", str(tmp_path / "plots"))
    assert done.returncode == 1
    assert "make install EXTRAS=evaluation" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("evaluate", ["--data", "{}"]),
        ("train", ["--data", "{}", "--out", "{}/out"]),
        ("consistency", ["--fullres", "{}"]),
    ],
    ids=["evaluate", "train", "consistency"],
)
def test_data_without_labels_is_a_plain_error(
    tmp_path: Path, command: str, arguments: list[str], run: Run
) -> None:
    done = run(command, *(argument.format(tmp_path) for argument in arguments))
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("error: No file in a folder named")


def test_a_folder_that_is_no_package_is_a_plain_error(tmp_path: Path, run: Run) -> None:
    done = run("benchmark", "--package", tmp_path)
    assert done.returncode == 1
    assert "is not a model package" in done.stderr
