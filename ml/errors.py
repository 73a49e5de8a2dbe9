"""Why an image file is refused, in English, by code or by `code.variant`.

Imports no library: the portal needs the messages at start-up, long before it reads a file.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar


def translatable(message: str) -> str:
    """Mark a message with `{}` fields for extraction and translation; returns it unchanged."""
    return message


MESSAGES = {
    "contradictory_pixels": translatable(
        "The file contains more pixels than its header describes, so that the image would be"
        " cropped or distorted. Export it again."
    ),
    "contradictory_pixels.frames": translatable(
        "The header says that the file holds {said} frames (Number of Frames), but there are pixels"
        " of {found}. Frames may be missing: export the image again, as a single frame."
    ),
    "contradictory_pixels.photometric": translatable(
        "The file does not say whether its image is greyscale or colour and which values are"
        " bright (Photometric Interpretation), or contradicts itself. Export the image again."
    ),
    "damaged_jpeg": translatable(
        "The image data is damaged in the middle of the file, so that part of the image would be"
        " missing. Copy or export it again."
    ),
    "empty": translatable(
        "The file is empty (zero bytes). Copy or export it again and send the new copy."
    ),
    "for_processing": translatable(
        "This is the detector's raw image ('for processing'), not made to be looked at. Send the"
        " 'for presentation' image of the same exposure."
    ),
    "multi_frame": translatable(
        "The file contains several frames. Send every radiograph as a single-frame image."
    ),
    "multi_frame.pictures": translatable(
        "The file contains several images. Save each image as a separate file."
    ),
    "multi_frame.unannounced": translatable(
        "The file contains {found} images, but its header describes one. Export each image as a"
        " separate file."
    ),
    "no_image": translatable(
        "The DICOM object contains no image, or ends before it. Send the images of the study, not"
        " its reports or other objects."
    ),
    "no_image.dicomdir": translatable(
        "This is a DICOMDIR, the index of a disc or folder, and contains no image itself. Send"
        " the images that it lists."
    ),
    "not_an_image": translatable(
        "The file is not a DICOM, JPEG or PNG image. Send the radiograph itself, exported as one"
        " of these."
    ),
    "too_large.deflated": translatable(
        "The file unpacks to far more than an image would. Export it uncompressed."
    ),
    "too_many_pixels": translatable(
        "The image is larger than {millions} million pixels, which no chest radiograph is. Export"
        " it again at the size it was taken."
    ),
    "truncated": translatable(
        "The file ends before the image does. Copy or export it again; the transfer was cut short."
    ),
    "undecodable": translatable(
        "The image data is damaged or of a kind that cannot be decoded. Export it again as DICOM,"
        " PNG or baseline JPEG."
    ),
    "undecodable.deflated": translatable(
        "The deflated DICOM file cannot be unpacked. Export it again, uncompressed."
    ),
    "undecodable.dicom": translatable(
        "The DICOM file is damaged or of a kind that cannot be decoded. Export the image again."
    ),
    "undecodable.frame": translatable(
        "The compressed image is damaged, or its size is not the one in the DICOM header. Export"
        " the image again."
    ),
    "undecodable.not_compressed": translatable(
        "The file says that its image is compressed, but it is not, or not all of it is there."
        " Export the image again."
    ),
    "undecodable.order": translatable(
        "The elements of the file are not in order: some that identify or describe the image stand"
        " after its pixels, where other programs overlook them. Export the image again."
    ),
    "undecodable.twice": translatable(
        "An element occurs twice in the file's header, with different values, so it is not"
        " certain whose image this is or how it is to be shown. Export the image again."
    ),
    "unsupported_compression": translatable(
        "The image is written or compressed in a way (its transfer syntax) that is not supported."
        " Export it uncompressed, or as JPEG, JPEG-LS, JPEG 2000 or RLE."
    ),
    "unsupported_compression.frame": translatable(
        "The image is compressed as a JPEG of a kind that is not supported. Export it uncompressed,"
        " or as JPEG of 8 or 12 bits, JPEG-LS, JPEG 2000 or RLE."
    ),
    "unsupported_compression.jpeg": translatable(
        "The JPEG is of a kind that is not supported outside DICOM, such as lossless JPEG or"
        " JPEG-LS. Send the DICOM file, or export it again as PNG or baseline JPEG."
    ),
    "unsupported_compression.not_named": translatable(
        "The file does not say how its image is compressed (Transfer Syntax UID), and it cannot be"
        " told from the image. Export it again, uncompressed."
    ),
    "unsupported_pixels": translatable(
        "The pixels are stored in a way that radiographs do not use. Export the image as 8 to 16"
        " bit greyscale."
    ),
    "wrong_modality": translatable(
        "The modality is {modality}, not CR, DX or RG. Only plain radiographs of the chest can be"
        " read: send those of the study."
    ),
    "wrong_modality.sop_class": translatable(
        "The DICOM object is not a plain radiograph (its SOP class is another). Send the CR, DX or"
        " secondary capture images of the study."
    ),
}


class ImageError(Exception):
    """The bytes are not a readable image.

    `code` is a stable word for programs. `params` fill in its message; among them `variant`
    distinguishes several messages of one code. They carry no value from the file, because that may
    be patient data.
    """

    messages: ClassVar[Mapping[str, str]] = MESSAGES

    def __init__(self, code: str, **params: Any) -> None:
        super().__init__(code, params)
        self.code = code
        self.params = params

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), self.code, **self.params), ()

    @property
    def message(self) -> str:
        """The problem and what to do, in English."""
        variant = self.params.get("variant")
        template = self.messages[f"{self.code}.{variant}" if variant else self.code]
        return template.format(**self.params)

    def __str__(self) -> str:
        return self.message


def truncated() -> ImageError:
    """Return the error for a truncated file."""
    return ImageError("truncated")
