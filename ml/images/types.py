"""Types for image data and metadata."""

from dataclasses import dataclass
from datetime import date, time
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["dicom", "jpeg", "png", "zip"]
ImageKind = Literal["dicom", "jpeg", "png"]

#: A 43 × 43 cm film digitised at 50 µm has 74 million pixels; no chest radiograph is larger.
MAX_PIXELS = 100_000_000


@dataclass(frozen=True)
class GreyImage:
    """A display-ready radiograph.

    `pixels`: rows × columns, C-contiguous, uint8 with `max_value` 255 or uint16 with `max_value`
    65535; a bigger value is brighter on screen (bone bright, air dark: MONOCHROME2), with the
    rescale, the VOI LUT or window and the photometric inversion of a DICOM file already applied.
    `aspect`: the height of a pixel divided by its width.
    """

    pixels: NDArray[Any]
    max_value: Literal[255, 65535]
    aspect: float = 1.0


@dataclass(frozen=True)
class Overlay:
    """The overlay of a file.

    `mask`: rows × columns of the image, true where any plane draws. `planes`: how many of them
    are in the mask. `unreadable`: how many the file announces and does not hold as it should.
    `is_cut`: part of them lies outside the image and is not in the mask.
    """

    mask: NDArray[np.bool_]
    planes: int = 0
    unreadable: int = 0
    is_cut: bool = False


@dataclass(frozen=True)
class Shutter:
    """A display shutter: only what lies within all of its shapes is shown.

    Places are from the image's upper left corner, in columns and rows. `rectangle`: left, right,
    upper and lower edge. `circle`: column and row of the centre, radius in columns. `polygon`:
    column and row of each vertex.
    """

    rectangle: tuple[float, float, float, float] | None = None
    circle: tuple[float, float, float] | None = None
    polygon: tuple[tuple[float, float], ...] | None = None


@dataclass(frozen=True)
class StoredImage:
    """A radiograph at full bit depth, with the metadata that a viewer needs.

    `pixels`: rows × columns, C-contiguous, uint8, uint16 or int16, native byte order. With
    `has_stored_values` they are the file's own values after its Modality LUT; without, greys as
    they are to be shown, because the file maps them in a way that a window cannot express (a VOI
    LUT, a sigmoid, a rescale with fractions) or has them in colour. `lower` and `upper`: the values
    shown black and white, the other way round when `is_inverted` (MONOCHROME1). `spacing`: mm
    between rows and between columns, None when the file does not say; `is_calibrated` when it was
    corrected for magnification, so that it holds in the patient and not only at the detector.
    `orientation`: towards which of the patient's sides rows and columns run (Patient Orientation),
    or two empty texts. `overlay`: what the file draws over the image, None if nothing. `shutter`:
    what it masks of the image, None if nothing, or if it cannot be applied.
    `aspect`: the height of a pixel divided by its width. `notes`: which display attributes of the
    file could not be used, and what is shown instead; sentences in English, to be translated.
    """

    pixels: NDArray[Any]
    lower: float
    upper: float
    is_inverted: bool = False
    has_stored_values: bool = False
    spacing: tuple[float, float] | None = None
    is_calibrated: bool = False
    orientation: tuple[str, str] = ("", "")
    overlay: Overlay | None = None
    shutter: Shutter | None = None
    aspect: float = 1.0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class HeaderCode:
    """An item of a code sequence (PS3.3 8.8), and what it is `of`.

    That is `view`, `view_modifier`, `region` (with its modifiers in the meaning) or `procedure`;
    `orientation`, whose value is that of Patient Orientation; or `described`, whose meaning is
    what the series, protocol or processing is called.
    """

    of: str
    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True)
class ImageFacts:
    """What the header says, read without decoding a pixel. Absent: '' or None.

    The names are those of the DICOM attributes. A JPEG or PNG fills only `kind`, `rows`, `columns`,
    `bits_stored`, `samples_per_pixel` and `number_of_frames`. Identifiers, names and descriptions
    are as they are written, with the backslash that parts several values; of other texts the first
    value counts. `unreadable_birth_date`: what Patient's Birth Date says, where it is no date.
    `doubtful_letters`: the keywords of identifying texts that could not be read for
    certain; `character_set`: what is declared of their letters, '' where nothing is that is known.
    """

    kind: ImageKind
    rows: int
    columns: int
    bits_stored: int
    samples_per_pixel: int
    number_of_frames: int = 1
    photometric_interpretation: str = ""
    transfer_syntax_uid: str = ""
    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    study_instance_uid: str = ""
    series_instance_uid: str = ""
    series_number: int | None = None
    series_description: str = ""
    instance_number: int | None = None
    modality: str = ""
    view_position: str = ""
    image_laterality: str = ""
    body_part_examined: str = ""
    codes: tuple[HeaderCode, ...] = ()
    presentation_intent_type: str = ""
    patient_id: str = ""
    issuer_of_patient_id: str = ""
    patient_name: str = ""
    patient_birth_date: date | None = None
    unreadable_birth_date: str = ""
    patient_sex: str = ""
    patient_age: str = ""
    accession_number: str = ""
    study_date: date | None = None
    study_time: time | None = None
    study_description: str = ""
    referring_physician_name: str = ""
    acquisition_date: date | None = None
    acquisition_time: time | None = None
    content_date: date | None = None
    content_time: time | None = None
    manufacturer: str = ""
    manufacturer_model_name: str = ""
    station_name: str = ""
    institution_name: str = ""
    source_ae_title: str = ""
    doubtful_letters: tuple[str, ...] = ()
    character_set: str = ""
