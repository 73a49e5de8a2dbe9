"""The shipped gate refuses what is not a frontal chest radiograph, and lets radiographs pass.

The kinds are those of ``ml.research.ood_samples``, drawn from seeds that no fit has used.
"""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml import images
from ml.research.ood_samples import drawn
from ml.serving.predictor import Predictor
from ml.serving.preprocessing import network_input

SEED = 1_000_003
REFUSED_AS = ("no_contrast", "not_frontal_chest", "cropped", "inverted", "rotated")


def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (224, 224), dtype=np.uint8)


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((224, 224), np.uint8),
        np.full((224, 224), 255, np.uint8),
        np.full((224, 224), 120, np.uint8) + noise() // 64,
    ],
    ids=["black", "white", "faint"],
)
def test_an_image_without_contrast_is_not_assessable(
    predictor: Predictor, picture: np.ndarray
) -> None:
    (result,) = predictor.predict(picture[None])
    assert result.category == "not_assessable"
    assert result.reason_code == "no_contrast"
    assert result.reason
    assert result.probability is None
    assert result.correction == ""
    assert not result.heatmap.any()


@pytest.mark.parametrize("kind", [*drawn.FITTED, *drawn.UNSEEN])
def test_drawn_ood_samples_are_not_assessable(predictor: Predictor, kind: str) -> None:
    draw = {**drawn.FITTED, **drawn.UNSEEN}[kind]
    rng = np.random.default_rng(SEED)
    results = predictor.predict(np.stack([draw(rng) for _ in range(8)]))
    assert sum(result.category == "not_assessable" for result in results) >= 7
    for result in results:
        if result.category == "not_assessable":
            assert result.reason_code in REFUSED_AS
            assert result.reason


def test_shipped_images_of_other_things_are_not_assessable(predictor: Predictor) -> None:
    pytest.importorskip("skimage", reason="needs the extra evaluation (scikit-image)")
    from ml.research.ood_samples import shipped

    rng = np.random.default_rng(SEED)
    views = [shipped.vary(source.greys, rng) for source in shipped.sources()[:-1:2]]
    results = predictor.predict(np.stack(views))
    refused = [result.category == "not_assessable" for result in results]
    assert np.mean(refused) >= 0.97


def test_most_collimated_phantoms_pass(predictor: Predictor, collimated: np.ndarray) -> None:
    results = predictor.predict(collimated)
    assert sum(result.probability is not None for result in results) >= 6


def originals(folder: Path) -> list[images.GreyImage]:
    return [images.read(path.read_bytes()) for path in sorted(folder.glob("*/*"))]


def as_jpeg(image: images.GreyImage) -> images.GreyImage:
    buffer = io.BytesIO()
    Image.fromarray(image.pixels).save(buffer, "JPEG", quality=60)
    return images.read(buffer.getvalue())


def test_real_radiographs_pass_in_any_format(predictor: Predictor, radiographs: Path) -> None:
    """These belong to the training split: the card has the share of unseen ones that pass."""
    full = originals(radiographs)
    assert len(full) > 40
    for kind in (full, [as_jpeg(image) for image in full]):
        results = predictor.predict(np.stack([network_input(image, 224) for image in kind]))
        assert sum(result.category == "not_assessable" for result in results) <= 1
        # A radiograph that is the right way up is never touched.
        assert [result.correction for result in results] == [""] * len(full)


def test_parts_of_radiographs_are_not_assessable(predictor: Predictor, radiographs: Path) -> None:
    parts = []
    for image in originals(radiographs):
        rows, columns = image.pixels.shape
        corner = np.ascontiguousarray(image.pixels[: rows // 3, : columns // 3])
        parts.append(network_input(images.GreyImage(corner, image.max_value), 224))
    results = predictor.predict(np.stack(parts))
    assert sum(result.category == "not_assessable" for result in results) >= 0.95 * len(parts)
