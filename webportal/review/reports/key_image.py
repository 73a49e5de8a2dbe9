"""The key image of a report: the radiograph with the reader's marks and measurements drawn in."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from ml import images
from webportal.records.files import read_dicom
from webportal.records.models import Radiograph
from webportal.review.reads.marks import Mark
from webportal.review.reads.measurements import Measurement, MeasurementKind
from webportal.review.study.rendering import MAX_SIDE, radiograph_picture

MARK_COLOUR = (255, 196, 0)
MEASURE_COLOUR = (120, 214, 255)
FONTS = Path(__file__).parent / "fonts"
SIDE_COLOUR = (255, 255, 255)
POINT_RADIUS = 14
OPPOSITE = {"L": "R", "R": "L", "A": "P", "P": "A", "H": "F", "F": "H"}


def key_image_png(
    radiograph: Radiograph, marks: Sequence[Mark], measured: Sequence[Measurement] = ()
) -> bytes:
    """Render a radiograph as an RGB PNG with the reader's marks, measurements, and its sides.

    Those are named where the file says which they are: a picture on paper has no header, and may
    be mirrored. Raises StoredFileError or ImageError if its file cannot be read.
    """
    data = read_dicom(radiograph)
    picture = radiograph_picture(data, MAX_SIDE).convert("RGB")
    across, down = picture.width / radiograph.columns, picture.height / radiograph.rows
    canvas = ImageDraw.Draw(picture)
    width = max(2, round(max(picture.size) / 400))
    for mark in marks:
        left, top = mark.column * across, mark.row * down
        if mark.is_point:
            box = (left - POINT_RADIUS, top - POINT_RADIUS, left + POINT_RADIUS, top + POINT_RADIUS)
            canvas.ellipse(box, outline=MARK_COLOUR, width=width)
        else:
            right, bottom = left + mark.width * across, top + mark.height * down
            canvas.rectangle((left, top, right, bottom), outline=MARK_COLOUR, width=width)
    for each in measured:
        _draw_measurement(canvas, each, (across, down), width)
    _name_sides(canvas, picture, images.orientation(data)[0])
    buffer = BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _name_sides(canvas: ImageDraw.ImageDraw, picture: Image.Image, rows_run_to: str) -> None:
    """Write the patient's sides at the left and the right edge, as the viewer does."""
    if not rows_run_to:
        return
    right = rows_run_to[0]
    size = max(10, picture.width // 24)
    font = ImageFont.truetype(FONTS / "noto-sans-latin-700-normal.woff", size)
    for place, side in ((0, OPPOSITE[right]), (picture.width, right)):
        canvas.text(
            (abs(place - size // 3), picture.height // 2),
            side,
            fill=SIDE_COLOUR,
            font=font,
            anchor="rm" if place else "lm",
            stroke_width=max(1, size // 12),
            stroke_fill=(0, 0, 0),
        )


def _draw_measurement(
    canvas: ImageDraw.ImageDraw,
    measurement: Measurement,
    scale: tuple[float, float],
    width: int,
) -> None:
    places = [(column * scale[0], row * scale[1]) for column, row in measurement.points]
    if measurement.kind in (MeasurementKind.LENGTH, MeasurementKind.ANGLE):
        canvas.line(places, fill=MEASURE_COLOUR, width=width)
        return
    (left, right), (top, bottom) = (sorted(sides) for sides in zip(*places, strict=True))
    draw = canvas.ellipse if measurement.kind == MeasurementKind.ELLIPSE else canvas.rectangle
    draw((left, top, right, bottom), outline=MEASURE_COLOUR, width=width)
