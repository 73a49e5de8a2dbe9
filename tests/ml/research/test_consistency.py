"""One radiograph in several file formats."""

from pathlib import Path

import numpy as np
import pytest

from ml import images
from ml.research.datasets.radiographs import DatasetError
from ml.research.evaluation.consistency import (
    EXTRA,
    KINDS,
    compare_kinds_of_file,
    find_originals,
    kinds_of_file,
    spread,
)
from ml.serving.predictor import Predictor
from tests import dicom_files

NAN = np.nan


def test_every_file_format_shows_the_same_image() -> None:
    original = dicom_files.jpeg(dicom_files.phantom(size=(701, 503)), quality=95)
    files = kinds_of_file(original)
    assert list(files) == [*KINDS, *EXTRA]
    assert [images.sniff(data) for data in files.values()] == [
        *("jpeg", "jpeg", "jpeg", "png", "dicom", "jpeg")
    ]
    shown = images.read(original).pixels
    for kind in ("PNG", "DICOM"):
        np.testing.assert_array_equal(images.read(files[kind]).pixels, shown)
    assert images.read(files["JPEG quality 60"]).pixels.shape == (701, 503)
    assert images.read(files["224-pixel copy"]).pixels.shape == (224, 224)
    assert len(files[EXTRA[0]]) < len(files["224-pixel copy"])


def probabilities(**changed: list[float]) -> dict[str, np.ndarray]:
    every = {kind: [0.1, 0.5, 0.9, NAN] for kind in (*KINDS, *EXTRA)}
    return {kind: np.array(values) for kind, values in {**every, **changed}.items()}


def test_the_same_result_means_within_the_tolerance_for_all_formats() -> None:
    assert spread(probabilities())["same"] == 1.0
    # Each is near the original, but the two are apart from one another.
    apart = probabilities(PNG=[0.14, 0.5, 0.9, NAN], DICOM=[0.06, 0.5, 0.9, NAN])
    found = spread(apart)
    assert found["same"] == 0.75
    against = found["against_original"]
    assert against["PNG"]["same"] == 1.0
    assert against["PNG"]["largest_difference"] == pytest.approx(0.04)


def test_refused_in_one_format_and_assessed_in_another_is_not_the_same() -> None:
    found = spread(probabilities(PNG=[NAN, 0.5, 0.9, 0.2]))
    assert found["same"] == 0.5
    against = found["against_original"]
    assert against["PNG"] == {"same": 0.5, "largest_difference": 0.0, "refused": 1}


def test_the_extra_format_does_not_count() -> None:
    found = spread(probabilities(**{EXTRA[0]: [0.9, 0.9, 0.1, 0.5]}))
    assert found["same"] == 1.0
    extra = found["extra"]
    assert extra[EXTRA[0]]["same"] == 0.0


def test_an_unreadable_original_is_named(tmp_path: Path, predictor: Predictor) -> None:
    for label in ("NORMAL", "PNEUMONIA"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(DatasetError, match=r"broken\.png"):
        compare_kinds_of_file(find_originals(tmp_path), predictor)


def test_real_radiographs_get_the_same_result_in_any_format(
    predictor: Predictor, radiographs: Path
) -> None:
    originals = find_originals(radiographs)
    assert len(originals) == 48
    # Each takes a quarter of a second.
    found = compare_kinds_of_file(originals[::2], predictor)
    assert found["n"] == 24
    assert found["same"] >= 0.95
    # A large JPEG is decoded smaller than the PNG made from it.
    assert found["against_original"]["PNG"]["largest_difference"] <= 0.002
    assert found["against_original"]["PNG"]["refused"] == 0
