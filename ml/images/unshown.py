"""What a file brings for the display of its picture that is not applied, said to its readers."""

from pydicom.dataset import FileDataset

from ml.errors import translatable
from ml.images.elements import texts

SHUTTER = translatable(
    "The file hides what lies beside the exposed field (Display Shutter); here the whole picture is"
    " shown."
)
DRAWINGS = translatable(
    "The file draws lines or text over its picture (curves or graphic annotations), which are not"
    " shown."
)
POLARITY = translatable(
    "The file contradicts itself on whether its greys are to be inverted (Photometric"
    " Interpretation, Presentation LUT Shape); Photometric Interpretation counts."
)

_CURVES, _CURVE_DATA = range(0x5000, 0x5100, 2), 0x3000
#: What Presentation LUT Shape says of the same inversion (PS3.3 C.8.11.3).
_SHAPES = {"MONOCHROME1": "INVERSE", "MONOCHROME2": "IDENTITY"}


def notes(dataset: FileDataset) -> tuple[str, ...]:
    """Return sentences in English for a person, to be translated; mostly none."""
    found = []
    if texts(dataset, "ShutterShape"):
        found.append(SHUTTER)
    if "GraphicAnnotationSequence" in dataset or any(
        (group, _CURVE_DATA) in dataset for group in _CURVES
    ):
        found.append(DRAWINGS)
    shape = next(iter(texts(dataset, "PresentationLUTShape")), "")
    usual = _SHAPES.get(next(iter(texts(dataset, "PhotometricInterpretation")), ""), shape)
    if shape in _SHAPES.values() and shape != usual:
        found.append(POLARITY)
    return tuple(found)
