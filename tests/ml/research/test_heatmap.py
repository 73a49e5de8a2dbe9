"""The share of the heat outside the lungs."""

import numpy as np
import pytest

from ml.research.evaluation.heatmap import rim_area, rim_share, rim_width


def test_the_rim_is_the_outer_seventh() -> None:
    assert rim_width(14) == 2
    assert rim_width(7) == 1
    assert rim_width(2) == 1
    assert rim_area(14) == pytest.approx(1 - 100 / 196)


def test_heat_on_the_rim_is_counted_and_evidence_against_pneumonia_is_not() -> None:
    maps = np.full((2, 14, 14), -3.0)
    maps[:, 6, 6] = 3
    maps[:, 1, 6] = 1
    assert rim_share(maps) == 0.25
