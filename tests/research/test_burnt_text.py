"""Writing in the pixels of phantoms is found, and what is none is not taken for it."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from deploy.local.packages import ROOT
from tests.dicom_files import phantom, with_text
from webportal.research.burnt_text import has_text

FONTS = ROOT / "webportal" / "review" / "reports" / "fonts"
SIZE = (900, 760)
NAMES = ["DOE^JANE", "Lamprecht", "LI WEI", "1971-02-03", "ID 4711"]


@pytest.fixture(scope="module")
def picture() -> NDArray[Any]:
    return phantom(size=SIZE)


@pytest.mark.parametrize("height", [14, 24, 60])
@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_found(picture: NDArray[Any], name: str, height: int) -> None:
    assert has_text(with_text(picture, name, height, 255, (4, 4)))


@pytest.mark.parametrize("grey", [0, 70, 255])
def test_a_name_is_found_in_any_grey_that_can_be_read(picture: NDArray[Any], grey: int) -> None:
    row = next(row for row in range(4, 800, 8) if abs(int(picture[row, 60:200].mean()) - grey) > 60)
    assert has_text(with_text(picture, "Lamprecht", 22, grey, (60, row)))


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_name_along_a_side_is_found(picture: NDArray[Any], turns: int) -> None:
    written = with_text(picture, "DOE^JANE", 24, 255)
    assert has_text(np.ascontiguousarray(np.rot90(written, turns)))


def test_a_name_whose_letters_are_joined_is_found(picture: NDArray[Any]) -> None:
    font = ImageFont.truetype(str(FONTS / "noto-sans-devanagari-400-normal.woff"), 30)
    image = Image.fromarray(picture)
    ImageDraw.Draw(image).text((20, 850), "शर्मा सीता", fill=255, font=font)
    assert has_text(np.asarray(image))


@pytest.mark.parametrize("depth", [(np.uint16, 16), (np.int16, 1)])
def test_the_depth_of_the_greys_does_not_matter(
    picture: NDArray[Any], depth: tuple[type, int]
) -> None:
    kind, factor = depth
    written: NDArray[Any] = with_text(picture, "DOE^JANE", 24, 255).astype(kind) * factor
    assert has_text(written - 128 * (factor == 1))


@pytest.mark.parametrize("marker", ["R", "L"])
@pytest.mark.parametrize("height", [30, 80])
def test_a_marker_of_the_side_is_no_text(picture: NDArray[Any], marker: str, height: int) -> None:
    assert not has_text(with_text(picture, marker, height, 255, (20, 30)))


@pytest.mark.parametrize("seed", range(3))
def test_a_phantom_without_text_is_left_alone(seed: int) -> None:
    assert not has_text(phantom(bits=12, size=SIZE, seed=seed))


@pytest.mark.parametrize("size", [(6, 6), (8, 2000), (40, 30)])
def test_a_picture_of_any_size_can_be_looked_at(size: tuple[int, int]) -> None:
    assert not has_text(np.zeros(size, np.uint8))
