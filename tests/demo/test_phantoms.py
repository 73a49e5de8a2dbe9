"""Drawn phantoms: reproducible, distinct, and marked."""

import numpy as np
import pytest

from webportal.demo.phantoms import draw_phantom


def test_a_seed_always_gives_the_same_image() -> None:
    first = draw_phantom(7, (300, 260), opacity=True)
    assert first.shape == (300, 260)
    assert first.dtype == np.uint8
    assert np.array_equal(first, draw_phantom(7, (300, 260), opacity=True))
    assert not np.array_equal(first, draw_phantom(8, (300, 260), opacity=True))


@pytest.mark.parametrize("seed", range(4))
def test_lungs_are_dark_between_a_bright_mediastinum_and_the_chest_wall(seed: int) -> None:
    picture = draw_phantom(seed, (400, 360), opacity=False).astype(float)
    row = picture[160:200].mean(axis=0)
    middle = row[170:190].mean()
    for lung in (row[95:125], row[235:265]):
        assert lung.mean() < middle - 60


@pytest.mark.parametrize("seed", range(4))
def test_an_opacity_makes_one_lung_brighter(seed: int) -> None:
    clear = draw_phantom(seed, (400, 360), opacity=False).astype(float)
    ill = draw_phantom(seed, (400, 360), opacity=True).astype(float)
    brighter = [(ill - clear)[120:280, part].mean() for part in (slice(0, 180), slice(180, 360))]
    assert max(brighter) > 4
    assert min(brighter) < 1


def test_collimation_excludes_the_air_beside_the_neck() -> None:
    whole = draw_phantom(3, (400, 360), opacity=False)
    collimated = draw_phantom(3, (400, 360), opacity=False, collimated=True)
    assert collimated.shape == (400, 360)
    assert whole[:30, 260:340].mean() < 50
    assert collimated[:30, 260:340].mean() > 100


@pytest.mark.parametrize("size", [(64, 64), (96, 80), (1500, 1200)])
def test_the_label_is_burnt_in(size: tuple[int, int]) -> None:
    picture = draw_phantom(1, size, opacity=False)
    corner = picture[: size[0] // 12, : size[1] // 4]
    assert corner.max() > 200
    assert np.median(corner) < 40
