"""A model package is loaded only if unaltered."""

import json
import pickle
import shutil
from pathlib import Path

import pytest

from ml.serving.package import (
    SHIPPED_PACKAGE,
    ModelPackage,
    PackageError,
    load_package,
    plot_file,
    read_listed_file,
    read_plots,
    seal_package,
)

FILES = sorted(
    str(path.relative_to(SHIPPED_PACKAGE))
    for path in SHIPPED_PACKAGE.rglob("*")
    if path.is_file() and path.name != "SHA256SUMS"
)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED_PACKAGE, tmp_path / "package"))


def test_the_shipped_package_is_intact(shipped: ModelPackage) -> None:
    assert shipped.version == SHIPPED_PACKAGE.name
    assert sum(file.stat().st_size for file in shipped.path.rglob("*")) < 30e6
    assert set(shipped.figures) == {"random", "pessimistic"}
    assert shipped.version in shipped.card
    thresholds = [shipped.thresholds[n].threshold for n in ("unlikely", "decision", "likely")]
    assert thresholds == sorted(thresholds)


@pytest.mark.parametrize("name", FILES)
def test_an_altered_file_is_refused(copy: Path, name: str) -> None:
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(PackageError, match=rf"{name} is not the file that was packed"):
        load_package(copy)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        *((n, f"{n} is missing") for n in FILES if n.endswith((".onnx", ".png"))),
        ("package.json", "package.json is missing"),
        ("SHA256SUMS", "is not a model package: SHA256SUMS cannot be read .No such file"),
    ],
)
def test_a_missing_file_is_refused(copy: Path, name: str, words: str) -> None:
    (copy / name).unlink()
    with pytest.raises(PackageError, match=words):
        load_package(copy)


def test_why_a_package_is_refused_survives_the_way_to_another_process(copy: Path) -> None:
    (copy / "gate.npz").unlink()
    with pytest.raises(PackageError) as caught:
        load_package(copy)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_an_unlisted_file_is_refused(copy: Path) -> None:
    lines = (copy / "SHA256SUMS").read_text().splitlines(keepends=True)
    (copy / "SHA256SUMS").write_text("".join(line for line in lines if "gate" not in line))
    with pytest.raises(PackageError, match=r"does not list gate\.npz"):
        load_package(copy)


def test_the_shipped_package_has_plots_that_its_card_shows(shipped: ModelPackage) -> None:
    assert list(shipped.plots) == ["images", "roc", "reliability", "scores"]
    for name, seen in shipped.plots.items():
        assert f"![{seen}](plots/{name}.png)" in shipped.card
        assert (shipped.path / plot_file(name)).read_bytes().startswith(b"\x89PNG")
    assert "kept no record of them" in shipped.card


def test_a_package_needs_no_plots_and_has_none_of_another_name(copy: Path) -> None:
    facts = json.loads((copy / "package.json").read_text())
    (copy / "package.json").write_text(json.dumps({**facts, "plots": {}}))
    shutil.rmtree(copy / "plots")
    seal_package(copy)
    assert load_package(copy).plots == {}
    (copy / "package.json").write_text(json.dumps({**facts, "plots": {"../card": "the card"}}))
    with pytest.raises(ValueError, match=r"unknown plots: \.\./card"):
        seal_package(copy)


def test_one_file_is_read_only_from_the_package_that_was_meant(
    shipped: ModelPackage, copy: Path
) -> None:
    assert read_plots(copy, shipped.sha256) == shipped.plots
    (copy / "plots" / "roc.png").write_bytes(b"another")
    with pytest.raises(PackageError, match="is not the file that was packed"):
        read_listed_file(copy, shipped.sha256, "plots/roc.png")
    seal_package(copy)
    with pytest.raises(PackageError, match="is not the package"):
        read_listed_file(copy, shipped.sha256, "plots/roc.png")


def test_another_format_is_refused(copy: Path) -> None:
    facts = json.loads((copy / "package.json").read_text())
    (copy / "package.json").write_text(json.dumps({**facts, "format": 99}))
    seal_package(copy)
    with pytest.raises(PackageError, match="has format 99"):
        load_package(copy)


def test_missing_facts_are_refused(copy: Path) -> None:
    facts = json.loads((copy / "package.json").read_text())
    del facts["calibration"]
    (copy / "package.json").write_text(json.dumps(facts))
    seal_package(copy)
    with pytest.raises(PackageError, match="calibration"):
        load_package(copy)


def test_the_hash_of_the_package_changes_with_any_file(shipped: ModelPackage, copy: Path) -> None:
    with (copy / "card.md").open("a") as card:
        card.write("\n")
    seal_package(copy)
    assert load_package(copy).sha256 != shipped.sha256
