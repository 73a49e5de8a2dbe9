"""A secondary capture of a radiograph with the model's heat map and figures burnt in.

The text is above the image, so that it covers nothing, and states that the result is unverified.
Captures are for viewers that cannot display structured reports.
"""

from io import BytesIO
from pathlib import Path

import numpy as np
from highdicom.sc import SCImage
from PIL import Image, ImageDraw, ImageFont
from pydicom.dataset import Dataset
from pydicom.uid import JPEGBaseline8Bit

from webportal.delivery.documents.sources import (
    MANUFACTURER,
    SeriesPlace,
    file_of,
    model_equipment,
    portal_equipment,
)
from webportal.delivery.documents.texts import cautions_in_short
from webportal.inference import rounding
from webportal.inference.models import Prediction
from webportal.records.choices import Category
from webportal.records.files import read_dicom
from webportal.review.study.rendering import heatmap_png, radiograph_picture

LONGEST_SIDE = 1024
_FONT = Path(__file__).parents[2] / "review" / "reports" / "fonts"
_OPACITY = 0.45
_MARGIN = 10
_PAPER, _INK, _WARNING = (20, 20, 20), (235, 235, 235), (255, 196, 0)
_CATEGORY_WORDS = {
    Category.LIKELY: "likely",
    Category.INDETERMINATE: "indeterminate",
    Category.UNLIKELY: "unlikely",
}


def capture(prediction: Prediction, source: Dataset, place: SeriesPlace) -> bytes:
    """Return the capture as a DICOM file. Raises StoredFileError or ImageError."""
    picture = drawn(prediction)
    image = SCImage.from_ref_dataset(
        ref_dataset=source,
        pixel_array=np.asarray(picture),
        photometric_interpretation="YBR_FULL_422",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=("L", "F"),
        series_instance_uid=place.series_instance_uid,
        series_number=place.series_number,
        sop_instance_uid=place.sop_instance_uid,
        instance_number=place.instance_number,
        manufacturer=MANUFACTURER,
        transfer_syntax_uid=JPEGBaseline8Bit,
        contributing_equipment=[model_equipment(prediction.model_version), portal_equipment()],
    )
    # Taken from the radiograph, where it may be missing.
    image.PatientOrientation = source.get("PatientOrientation", None)
    if "IssuerOfPatientID" in source:
        image.IssuerOfPatientID = source.IssuerOfPatientID
    image.BodyPartExamined = "CHEST"
    image.BurnedInAnnotation = "YES"
    image.SeriesDescription = "AI heat map, not verified"
    image.DerivationDescription = "Heat map and result of a model burnt in; not verified"
    image.LossyImageCompression = "01"
    image.LossyImageCompressionMethod = "ISO_10918_1"
    image.LossyImageCompressionRatio = round(
        picture.width * picture.height * 3 / len(image.PixelData), 2
    )
    return file_of(image)


def drawn(prediction: Prediction) -> Image.Image:
    """Return the radiograph with the heat map on it and the model's result above."""
    radiograph = prediction.radiograph
    picture = radiograph_picture(read_dicom(radiograph), LONGEST_SIDE).convert("RGB")
    lines = [
        ("AI RESULT, NOT VERIFIED BY A RADIOLOGIST", _WARNING),
        (result_line(prediction), _INK),
        (f"{prediction.model_version}, {prediction.created_at:%Y-%m-%d %H:%M} UTC", _INK),
    ]
    if cautions := cautions_in_short(prediction):
        lines.append((f"Check first: {', '.join(cautions)}", _WARNING))
    if prediction.heatmap_rows:
        _overlay_heat_map(picture, prediction)
        lines.append(("Colours: what the model's result rests on. Not for diagnosis.", _INK))
    return _captioned(lines, picture)


def _overlay_heat_map(picture: Image.Image, prediction: Prediction) -> None:
    heat = heatmap_png(
        bytes(prediction.heatmap),
        prediction.heatmap_rows,
        prediction.heatmap_columns,
        prediction.radiograph.rows,
        prediction.radiograph.columns,
    )
    colours = Image.open(BytesIO(heat)).resize(picture.size)
    opacity = colours.getchannel("A").point([round(value * _OPACITY) for value in range(256)])
    picture.paste(colours.convert("RGB"), mask=opacity)


def result_line(prediction: Prediction) -> str:
    """The result in words, with its probability as on the pages."""
    words = f"Pneumonia: {_CATEGORY_WORDS[Category(prediction.shown_category)]}"
    if prediction.shown_probability is None:
        return words
    thresholds = prediction.model_version.thresholds
    return f"{words}, {rounding.percent(prediction.shown_probability, thresholds)}"


def _captioned(lines: list[tuple[str, tuple[int, int, int]]], picture: Image.Image) -> Image.Image:
    """Add lines of text above an image, in the largest font that fits its width."""
    inner = picture.width - 2 * _MARGIN
    size = 28
    while size > 8 and max(_font(size).getlength(text) for text, _colour in lines) > inner:
        size -= 1
    step = round(size * 1.4)
    height = step * len(lines) + 2 * _MARGIN
    page = Image.new("RGB", (picture.width, picture.height + height), _PAPER)
    page.paste(picture, (0, height))
    canvas = ImageDraw.Draw(page)
    for number, (text, colour) in enumerate(lines):
        canvas.text((_MARGIN, _MARGIN + number * step), text, fill=colour, font=_font(size))
    return page


def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(_FONT / "noto-sans-latin-400-normal.woff"), size)
