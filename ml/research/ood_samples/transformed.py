"""Real radiographs degraded so that they are no longer upright frontal chest radiographs."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from ml.research.ood_samples.drawn import Picture, Rng
from ml.serving.calibration import sigmoid
from ml.serving.gate.orientation import Turn
from ml.serving.preprocessing import squeeze

Change = Callable[[Picture, Rng], Picture]


def _part(rows: tuple[float, float], columns: tuple[float, float]) -> Change:
    """Enlarge the part between these shares of height and width."""

    def change(picture: Picture, rng: Rng) -> Picture:
        size = len(picture)
        top, bottom, left, right = (round(share * size) for share in (*rows, *columns))
        return np.asarray(squeeze(picture[top:bottom, left:right], size))

    return change


def _any_ninth(picture: Picture, rng: Rng) -> Picture:
    """Enlarge a third of the height and width, from anywhere."""
    top, left = rng.uniform(0, 2 / 3, 2)
    return _part((top, top + 1 / 3), (left, left + 1 / 3))(picture, rng)


def _four_up(picture: Picture, rng: Rng) -> Picture:
    """Tile the picture two by two, as on a contact sheet."""
    small = np.asarray(squeeze(picture, len(picture) // 2))
    return np.tile(small, (2, 2))


def _shuffled(picture: Picture, rng: Rng) -> Picture:
    """Cut into sixteen squares and put them back in any order."""
    squares = [part for row in np.split(picture, 4) for part in np.split(row, 4, axis=1)]
    rng.shuffle(squares)
    return np.block([squares[i : i + 4] for i in range(0, 16, 4)])


def _diagonal(picture: Picture, rng: Rng) -> Picture:
    """Turn by 30 to 60 degrees either way."""
    angle = rng.uniform(30, 60) * rng.choice([-1, 1])
    return np.asarray(Image.fromarray(picture).rotate(angle, Image.Resampling.BILINEAR))


def _smeared(picture: Picture, rng: Rng) -> Picture:
    """Blur until no structure smaller than a lung is left."""
    radius = len(picture) * rng.uniform(0.09, 0.15)
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(radius)))


def _on_a_page(picture: Picture, rng: Rng) -> Picture:
    """Put a small copy somewhere on a white page, as in a scanned report."""
    size = len(picture)
    small = np.asarray(squeeze(picture, int(size * rng.uniform(0.3, 0.5))))
    page = np.full_like(picture, 255)
    top, left = rng.integers(0, size - len(small), 2)
    page[top : top + len(small), left : left + len(small)] = small
    return page


def _sliced(picture: Picture, rng: Rng) -> Picture:
    """Draw a chest as a CT slice shows it: even tissue, sharp edges, black lungs with vessels."""
    size, image = len(picture), Image.fromarray(picture)

    def blurred(radius: float) -> NDArray[np.float32]:
        smooth = image.filter(ImageFilter.GaussianBlur(radius * size / 224))
        return np.asarray(smooth, np.float32) / np.float32(255)

    density = blurred(rng.uniform(2, 5)) - 0.6 * blurred(25)
    edge = np.quantile(density, rng.uniform(0.35, 0.6))
    is_tissue = sigmoid((density - edge) / rng.uniform(0.01, 0.03))
    detail = picture / 255 - blurred(rng.uniform(1.5, 3))
    detail /= detail.std() + 1e-4
    tissue = rng.uniform(0.35, 0.85) + detail * rng.uniform(0.02, 0.08)
    lung = rng.uniform(0, 0.2) + (detail * rng.uniform(0.08, 0.2)).clip(0, 0.8)
    drawn = is_tissue * tissue + (1 - is_tissue) * lung
    if rng.random() < 0.5:
        drawn = drawn + rng.normal(0, rng.uniform(0.01, 0.06), drawn.shape)
    pixels = (drawn.clip(0, 1) * 255).astype(np.uint8)
    top, bottom, left, right = rng.uniform(0, 0.14, 4)
    return _part((top, 1 - bottom), (left, 1 - right))(pixels, rng)


def _half(picture: Picture, rng: Rng) -> Picture:
    """Enlarge one side of a chest, from about its middle, facing either way."""
    width = rng.uniform(0.38, 0.62)
    left = float(rng.choice([0, 1 - width]))
    rows = (rng.uniform(0, 0.12), rng.uniform(0.8, 1))
    half = _part(rows, (left, left + width))(picture, rng)
    return half[:, ::-1] if rng.random() < 0.5 else half


def sidelong(one: Picture, other: Picture, rng: Rng) -> Picture:
    """Superimpose the halves of two chests: the closest available substitute for a lateral view."""
    share, size = rng.uniform(0.35, 0.65), len(one)
    laid = share * _half(one, rng) + (1 - share) * _half(other, rng)
    image = Image.fromarray(laid.astype(np.uint8))
    if rng.random() < 0.6:
        width = int(rng.uniform(0.55, 1) * size)
        page = Image.new("L", (size, size), int(rng.integers(0, 40)))
        page.paste(image.resize((width, size)), (int(rng.integers(0, size - width + 1)), 0))
        image = page.rotate(rng.uniform(-12, 12))
    return np.asarray(image)


# Correctable transformations.
MISORIENTED: Mapping[str, Turn] = {
    "inverted": Turn(inverted=True),
    "turned by 90 degrees clockwise": Turn(quarters=1),
    "turned by 180 degrees": Turn(quarters=2),
    "turned by 90 degrees counterclockwise": Turn(quarters=3),
    "inverted, turned by 90 degrees clockwise": Turn(True, 1),
    "inverted, turned by 180 degrees": Turn(True, 2),
    "inverted, turned by 90 degrees counterclockwise": Turn(True, 3),
}
CROPPED: Mapping[str, Change] = {
    "any ninth only": _any_ninth,
    "top left ninth only": _part((0, 1 / 3), (0, 1 / 3)),
    "upper third only": _part((0, 1 / 3), (0, 1)),
    "lower half only": _part((1 / 2, 1), (0, 1)),
    "lower third only": _part((2 / 3, 1), (0, 1)),
    "left half only": _part((0, 1), (0, 1 / 2)),
    "right half only": _part((0, 1), (1 / 2, 1)),
}
SPOILT: Mapping[str, Change] = {
    "turned by 30 to 60 degrees": _diagonal,
    "shuffled squares": _shuffled,
}
SLICED: Mapping[str, Change] = {"drawn like a CT slice": _sliced}
# Not used for fitting, only for measuring.
UNSEEN: Mapping[str, Change] = {
    "four on one sheet": _four_up,
    "smeared beyond recognition": _smeared,
    "small on a white page": _on_a_page,
}
