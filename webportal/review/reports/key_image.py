"""The key image of a report: the radiograph with the reader's marks drawn into it."""

from collections.abc import Sequence
from io import BytesIO

from PIL import Image, ImageDraw

from webportal.records.files import read_dicom
from webportal.records.models import Radiograph
from webportal.review.marks import Mark
from webportal.review.rendering import radiograph_png

MARK_COLOUR = (255, 196, 0)
POINT_RADIUS = 14


def key_image_png(radiograph: Radiograph, marks: Sequence[Mark]) -> bytes:
    """Render a radiograph as an RGB PNG with boxes and circles where the reader marked it.

    Raises StoredFileError and ImageError as the files of the radiograph do.
    """
    picture = Image.open(BytesIO(radiograph_png(read_dicom(radiograph)))).convert("RGB")
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
    buffer = BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
