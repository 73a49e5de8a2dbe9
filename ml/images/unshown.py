"""Display attributes of a file that are not applied, and the notes that tell its readers so."""

from pydicom.dataset import FileDataset

from ml.errors import translatable
from ml.images import shutters
from ml.images.elements import texts

SHUTTER = translatable(
    "The file masks part of the image (Display Shutter) in a way that cannot be applied; the whole"
    " image is shown."
)
DRAWINGS = translatable(
    "The file draws lines or text over its image (curves or graphic annotations), which are not"
    " shown."
)
POLARITY = translatable(
    "The file contradicts itself on whether its greys are to be inverted (Photometric"
    " Interpretation, Presentation LUT Shape); Photometric Interpretation counts."
)

_CURVES, _CURVE_DATA = range(0x5000, 0x5100, 2), 0x3000
#: The Presentation LUT Shape that matches each Photometric Interpretation (PS3.3 C.8.11.3).
_SHAPES = {"MONOCHROME1": "INVERSE", "MONOCHROME2": "IDENTITY"}


def notes(dataset: FileDataset) -> tuple[str, ...]:
    """Return notes for the reader, in English, to be translated; usually none."""
    sentences = []
    if shutters.is_present(dataset) and shutters.read(dataset) is None:
        sentences.append(SHUTTER)
    if "GraphicAnnotationSequence" in dataset or any(
        (group, _CURVE_DATA) in dataset for group in _CURVES
    ):
        sentences.append(DRAWINGS)
    shape = next(iter(texts(dataset, "PresentationLUTShape")), "")
    usual = _SHAPES.get(next(iter(texts(dataset, "PhotometricInterpretation")), ""), shape)
    if shape in _SHAPES.values() and shape != usual:
        sentences.append(POLARITY)
    return tuple(sentences)
