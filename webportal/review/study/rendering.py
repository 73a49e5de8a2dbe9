"""Image rendering for the browser: radiographs in 8 bits, heat maps in colour."""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from ml import images

MAX_SIDE = 2048
HEATMAP_SIDE = 512
LEGEND_SIZE = (160, 8)
# Side of the black square around each overlay pixel, so that it is visible on white.
EDGE = 5

# Nine stops of 'plasma', which has linear lightness (N. Smith and S. van der Walt, 2015; CC0).
_PLASMA = np.array(
    [
        [13, 8, 135], [76, 2, 161], [126, 3, 168], [170, 35, 149], [204, 71, 120],
        [230, 108, 92], [248, 148, 65], [253, 195, 40], [240, 249, 33],
    ]
)  # fmt: skip
# Transparent below the first value, solid from the second on; the reader sets the opacity on
# screen.
CLEAR_BELOW, _SOLID_FROM = 0.15, 0.4


def radiograph_png(dicom: bytes) -> bytes:
    """Render a stored radiograph as an 8-bit grey PNG, at most MAX_SIDE pixels a side.

    Overlay planes of the file are drawn into it, white with a black edge. The PNG's pixels are
    square even if the file's are not. Raises ImageError when the file cannot be decoded.
    """
    return _png(radiograph_picture(dicom, MAX_SIDE))


def radiograph_picture(dicom: bytes, longest_side: int) -> Image.Image:
    """Return the same as a picture of at most `longest_side` pixels a side; raises likewise."""
    grey = images.read(dicom)
    pixels = grey.pixels if grey.max_value == 255 else (grey.pixels >> 8).astype(np.uint8)
    picture = Image.fromarray(pixels)
    draw_overlay(picture, images.read_overlay(dicom))
    return images.fit(picture, grey.aspect, longest_side)


def draw_overlay(picture: Image.Image, overlay: images.Overlay | None) -> None:
    """Draw overlay planes into a picture of the image's own size."""
    if overlay is None or not overlay.planes:
        return
    mask = Image.fromarray(overlay.mask.astype(np.uint8) * 255)
    picture.paste(0, mask=mask.filter(ImageFilter.MaxFilter(EDGE)))
    picture.paste(255, mask=mask)


def heatmap_png(
    cells: bytes, rows: int, columns: int, picture_rows: int, picture_columns: int
) -> bytes:
    """Render a heat map as an RGBA PNG of the image's shape.

    Args:
        cells: rows × columns bytes, row by row, covering the whole image evenly; 0 is no
            evidence, 255 the maximum shown.
        rows: of cells.
        columns: of cells.
        picture_rows: of the image under the map.
        picture_columns: likewise.
    """
    longest = max(picture_rows, picture_columns)
    size = (
        max(1, round(picture_columns * HEATMAP_SIDE / longest)),
        max(1, round(picture_rows * HEATMAP_SIDE / longest)),
    )
    grid = Image.fromarray(np.frombuffer(cells, np.uint8).reshape(rows, columns))
    return _png(_coloured(np.asarray(grid.resize(size, Image.Resampling.BICUBIC))))


def legend_png() -> bytes:
    """Render the heat map's colour scale from low to high, as overlaid on an image."""
    width, height = LEGEND_SIZE
    ramp = np.linspace(0, 255, width).round().astype(np.uint8)
    return _png(_coloured(np.tile(ramp, (height, 1))))


def _coloured(values: NDArray[np.uint8]) -> Image.Image:
    levels = np.arange(256) / 255
    stops = np.linspace(0, 1, len(_PLASMA))
    table = np.empty((256, 4))
    for channel in range(3):
        table[:, channel] = np.interp(levels, stops, _PLASMA[:, channel])
    table[:, 3] = 255 * np.clip((levels - CLEAR_BELOW) / (_SOLID_FROM - CLEAR_BELOW), 0, 1)
    return Image.fromarray(table.round().astype(np.uint8)[values], "RGBA")


def _png(picture: Image.Image) -> bytes:
    buffer = BytesIO()
    # Fastest compression: the image crosses the network once.
    picture.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
