"""The gate refuses what is no frontal chest radiograph, and says so."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ml import images
from ml.predictor import Predictor
from ml.preprocessing import network_input


def page_of_text() -> np.ndarray:
    page = Image.new("L", (224, 224), 255)
    draw = ImageDraw.Draw(page)
    for y in range(10, 210, 12):
        draw.text((12, y), "Lorem ipsum dolor sit amet, consectetur", fill=0)
    return np.asarray(page)


def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (224, 224), dtype=np.uint8)


@pytest.mark.parametrize(
    ("picture", "code"),
    [
        (np.zeros((224, 224), np.uint8), "no_contrast"),
        (np.full((224, 224), 255, np.uint8), "no_contrast"),
        (np.full((224, 224), 120, np.uint8) + noise() // 64, "no_contrast"),
        (noise(), "not_frontal_chest"),
        (page_of_text(), "not_frontal_chest"),
    ],
    ids=["black", "white", "faint", "noise", "text"],
)
def test_outsiders_are_not_assessable(predictor: Predictor, picture: np.ndarray, code: str) -> None:
    (result,) = predictor.predict(picture[None])
    assert result.category == "not_assessable"
    assert result.reason_code == code
    assert result.reason
    assert result.probability is None
    assert not result.heatmap.any()


def full_size_inputs(folder: Path) -> np.ndarray:
    paths = sorted(folder.glob("*/*"))
    return np.stack([network_input(images.read(path.read_bytes()), 224) for path in paths])


def test_real_radiographs_pass_and_turned_or_inverted_ones_do_not(
    predictor: Predictor, radiographs: Path
) -> None:
    inputs = full_size_inputs(radiographs)

    def refused(changed: np.ndarray) -> int:
        return sum(r.category == "not_assessable" for r in predictor.predict(changed))

    assert refused(inputs) <= 1
    assert refused(np.rot90(inputs, axes=(1, 2))) >= 0.95 * len(inputs)
    assert refused(255 - inputs) >= 0.95 * len(inputs)
