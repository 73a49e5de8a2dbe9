"""Serving a package."""

import numpy as np
import pytest

from ml.serving.calibration import sigmoid
from ml.serving.package import AdultStages, ModelPackage
from ml.serving.predictor import Predictor
from ml.serving.runtimes.choice import choose_runtime
from ml.serving.stages import ADULT


def pictures(n: int) -> np.ndarray:
    """Return smooth random pictures, (n, 224, 224) uint8."""
    coarse = np.random.default_rng(0).integers(0, 256, (n, 7, 7))
    return np.kron(coarse, np.ones((32, 32), int)).astype(np.uint8)


def test_an_image_has_the_same_result_alone_and_in_any_batch(ungated: Predictor) -> None:
    inputs = pictures(35)
    together = ungated.predict(inputs)
    assert len(together) == 35
    assert len({result.probability for result in together}) > 10
    for n in (1, 5, 20):
        for one, other in zip(ungated.predict(inputs[:n]), together[:n], strict=True):
            assert one.probability == pytest.approx(other.probability, abs=1e-4)
            difference = one.heatmap.astype(int) - other.heatmap.astype(int)
            assert abs(difference).max() <= 1


def test_category_follows_from_the_probability(ungated: Predictor) -> None:
    thresholds = ungated.package.thresholds
    for result in ungated.predict(pictures(64)):
        assert result.probability is not None
        if result.category == "likely":
            assert result.probability >= thresholds["likely"].threshold
        elif result.category == "unlikely":
            assert result.probability < thresholds["unlikely"].threshold
        else:
            assert result.category == "indeterminate"
        assert result.reason == result.reason_code == ""


def test_heatmap_scale_is_the_packages_and_not_the_images(ungated: Predictor) -> None:
    package, inputs = ungated.package, pictures(8)
    outputs = choose_runtime(package, len(inputs)).outputs(inputs)
    results = ungated.predict(inputs)
    assert any(result.heatmap.any() for result in results)
    for result, raw in zip(results, outputs["activation_map"], strict=True):
        said_by: ModelPackage | AdultStages = package
        if package.adult and result.assessed_as == ADULT:
            said_by = package.adult
        local = said_by.calibration.log_odds(raw)
        shown = 255 * np.clip(local / said_by.heatmap_full_scale, 0, 1)
        assert result.heatmap.dtype == np.uint8
        np.testing.assert_allclose(result.heatmap, shown, atol=1)
        # The map explains the probability: its mean, before clipping, is the log-odds.
        assert result.probability == pytest.approx(sigmoid(local.mean()), abs=1e-3)


def test_an_empty_batch_has_no_results(predictor: Predictor) -> None:
    assert predictor.predict(np.zeros((0, 224, 224), np.uint8)) == []


@pytest.mark.parametrize(
    "batch",
    [
        np.zeros((2, 224, 224), np.float32),
        np.zeros((224, 224), np.uint8),
        np.zeros((2, 225, 224), np.uint8),
    ],
)
def test_inputs_of_another_shape_are_an_error(predictor: Predictor, batch: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"Expected \(n, 224, 224\) uint8"):
        predictor.predict(batch)


def test_a_batch_size_below_one_is_an_error(shipped: ModelPackage) -> None:
    with pytest.raises(ValueError, match="batch_size"):
        Predictor(shipped, batch_size=0)
