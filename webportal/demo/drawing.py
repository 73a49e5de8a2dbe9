"""Drawing soft shapes, of which phantoms are made.

Positions and lengths are in units of the image's height, positions from a vertical line through
its middle and from its upper edge.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Picture = NDArray[np.float32]

_SUPERSAMPLING = 2


class Drawing:
    """A picture of `rows` by `columns` pixels; `middle` is the line from which positions count."""

    def __init__(self, random: np.random.Generator, rows: int, columns: int, middle: float) -> None:
        self.random, self.rows, self.columns, self.middle = random, rows, columns, middle
        y, x = np.mgrid[0:rows, 0:columns].astype(np.float32) / rows
        self.y, self.x = y, x - np.float32(middle)

    def clouds(self, cells: int) -> Picture:
        """Smooth random noise, about `cells` blobs per height, with a standard deviation near 1."""
        coarse = self.random.normal(
            0, 1.6, (cells, max(2, round(cells * self.columns / self.rows)))
        )
        image = Image.fromarray(coarse.astype(np.float32))
        return np.asarray(image.resize((self.columns, self.rows), Image.Resampling.BICUBIC))

    def canvas(self) -> tuple[Image.Image, ImageDraw.ImageDraw]:
        """An empty picture, and what draws on it in the units of `pixel`."""
        size = (self.columns * _SUPERSAMPLING, self.rows * _SUPERSAMPLING)
        canvas = Image.new("L", size)
        return canvas, ImageDraw.Draw(canvas)

    def shape(self, canvas: Image.Image) -> Picture:
        """What was drawn on a canvas, 0 to 1."""
        small = canvas.resize((self.columns, self.rows), Image.Resampling.BOX)
        return float32(np.asarray(small) / 255)

    def pixel(self, point: tuple[float, float]) -> tuple[float, float]:
        """A position on a canvas."""
        scale = self.rows * _SUPERSAMPLING
        return (point[0] + self.middle) * scale, point[1] * scale

    def width(self, width: float) -> int:
        """The width of a line on a canvas."""
        return max(1, round(width * self.rows * _SUPERSAMPLING))

    def polygon(self, points: list[tuple[float, float]]) -> Picture:
        """A filled polygon, 0 to 1."""
        canvas, draw = self.canvas()
        draw.polygon([self.pixel(point) for point in points], fill=255)
        return self.shape(canvas)

    def stroke(self, knots: list[tuple[float, float]], width: float) -> Picture:
        """A line through the knots, 0 to 1."""
        canvas, draw = self.canvas()
        points = [self.pixel(point) for point in smooth(knots, closed=False)]
        draw.line(points, fill=255, width=self.width(width), joint="curve")
        return self.shape(canvas)

    def ellipse(
        self, centre: tuple[float, float], radii: tuple[float, float], degrees: float
    ) -> Picture:
        """A filled ellipse, turned clockwise, 0 to 1."""
        angles = np.linspace(0, 2 * np.pi, 90)
        x, y = radii[0] * np.cos(angles), radii[1] * np.sin(angles)
        turn = np.deg2rad(degrees)
        across = centre[0] + x * np.cos(turn) + y * np.sin(turn)
        down = centre[1] - x * np.sin(turn) + y * np.cos(turn)
        return self.polygon([(float(a), float(b)) for a, b in zip(across, down, strict=True)])


def smooth(knots: list[tuple[float, float]], closed: bool) -> list[tuple[float, float]]:
    """A Catmull-Rom curve through the knots, ten points per segment."""
    points = np.array(knots)
    if closed:
        points = np.vstack([points[-1:], points, points[:2]])
    else:
        points = np.vstack([points[:1], points, points[-1:]])
    t = np.linspace(0, 1, 10, endpoint=False)[:, None]
    curve = [
        0.5
        * (
            2 * b
            + (c - a) * t
            + (2 * a - 5 * b + 4 * c - d) * t**2
            + (3 * b - a - 3 * c + d) * t**3
        )
        for a, b, c, d in zip(points[:-3], points[1:-2], points[2:-1], points[3:], strict=True)
    ]
    return [(float(x), float(y)) for x, y in [*np.concatenate(curve), points[-2]]]


def blur(picture: NDArray[Any], radius: float) -> Picture:
    """Blur with a Gaussian of this standard deviation, in units of the image's height.

    Pillow blurs only bytes, so the image is blurred twice at 8 bits between its own limits, the
    second time with the rounding error of the first.
    """
    low, high = float(picture.min()), float(picture.max())
    span = (high - low) or 1.0
    scaled = (picture - low) / span * 255
    coarse = np.floor(scaled)
    parts = [coarse, (scaled - coarse) * 255]
    blurred = [
        np.asarray(
            Image.fromarray(part.astype(np.uint8)).filter(
                ImageFilter.GaussianBlur(radius * picture.shape[0])
            ),
            dtype=np.float32,
        )
        for part in parts
    ]
    return float32((blurred[0] + blurred[1] / 255) / 255 * span + low)


def float32(picture: NDArray[Any]) -> Picture:
    """The picture in the type in which parts are added up."""
    return picture.astype(np.float32)
