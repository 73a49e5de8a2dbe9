"""The reasons as sentences, as they were stored before they were codes; never to be changed.

`found` recognises a stored sentence, `sentence` writes it again.
"""

import re
from collections.abc import Mapping
from typing import Any

FIELDS = {
    "name": "name",
    "birth_date": "date of birth",
    "sex": "sex",
    "PatientID": "Patient ID",
    "IssuerOfPatientID": "issuer of the Patient ID",
    "PatientName": "patient's name",
    "AccessionNumber": "accession number",
}
LISTS = ("attribute", "attributes", "differences", "missing")
NUMBERS = (
    "attempts",
    "files",
    "gigabytes",
    "longest",
    "megabytes",
    "millions",
    "minutes",
    "pixels",
)


def found(messages: Mapping[str, str], code: str, stored: str) -> tuple[str, dict[str, Any]]:
    """Return code and parameters of a stored sentence; one that is not known is kept whole."""
    for key, message in messages.items():
        known, _, variant = key.partition(".")
        if code not in ("", known):
            continue
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+?)", re.escape(message))
        match = re.fullmatch(pattern, stored)
        params = match and _params(match.groupdict())
        if params is not None:
            return known, params | ({"variant": variant} if variant else {})
    return code or "other", {"text": stored}


def sentence(messages: Mapping[str, str], code: str, params: Mapping[str, Any]) -> str:
    """Return the sentence of a code and its parameters."""
    if "text" in params or not code:
        return str(params.get("text", ""))
    variant = params.get("variant")
    message = messages.get(f"{code}.{variant}" if variant else code, code)
    return message.format_map({name: _words(value) for name, value in params.items()})


def _params(groups: Mapping[str, str]) -> dict[str, Any] | None:
    names = {words: name for name, words in FIELDS.items()}
    params: dict[str, Any] = {}
    for name, value in groups.items():
        if name in LISTS:
            parts = value.split(" and ")
            if not all(part in names for part in parts):
                return None
            params[name] = [names[part] for part in parts]
        elif name in NUMBERS:
            digits = value.replace(",", "")
            if not digits.isdecimal():
                return None
            params[name] = int(digits)
        else:
            params[name] = value
    return params


def _words(value: Any) -> str:
    if isinstance(value, list):
        return " and ".join(FIELDS[name] for name in value)
    return f"{value:,}" if isinstance(value, int) else str(value)


#: Of images that cannot be read.
IMAGES = {
    "contradictory_pixels": "The file holds more pixels than its header describes, so that the picture would be cut or torn. Export the image again.",
    "contradictory_pixels.photometric": "The file does not say whether its picture is grey or in colour, and which values are bright (Photometric Interpretation), or contradicts itself. Export the image again.",
    "damaged_jpeg": "The image data is damaged in the middle of the file, so that part of the picture would be missing. Copy or export it again.",
    "empty": "The file is empty (zero bytes). Copy or export it again and send the new copy.",
    "for_processing": "This is the detector's raw image ('for processing'), not made to be looked at. Send the 'for presentation' image of the same exposure.",
    "multi_frame": "The file holds several frames. Send every radiograph as a single-frame image.",
    "multi_frame.pictures": "The file holds several pictures. Save each picture as a file of its own.",
    "no_image": "The DICOM object holds no image, or ends before it. Send the images of the study, not its reports or other objects.",
    "no_image.dicomdir": "This is a DICOMDIR, the index of a disc or folder, and holds no image itself. Send the images that it lists.",
    "not_an_image": "The file is not a DICOM, JPEG or PNG image. Send the radiograph itself, exported as one of these.",
    "too_large.deflated": "The file unpacks to far more than an image would. Export it uncompressed.",
    "too_many_pixels": "The image is larger than {millions} million pixels, which no chest radiograph is. Export it again at the size it was taken.",
    "truncated": "The file ends before the image does. Copy or export it again; the transfer was cut short.",
    "undecodable": "The image data is damaged or of a kind that cannot be decoded. Export it again as DICOM, PNG or baseline JPEG.",
    "undecodable.deflated": "The deflated DICOM file cannot be unpacked. Export it again, uncompressed.",
    "undecodable.dicom": "The DICOM file is damaged or of a kind that cannot be decoded. Export the image again.",
    "undecodable.frame": "The compressed image is damaged, or its size is not the one in the DICOM header. Export the image again.",
    "undecodable.not_compressed": "The file says that its image is compressed, but it is not, or not all of it is there. Export the image again.",
    "unsupported_compression": "The image is written or compressed in a way (its transfer syntax) that is not supported. Export it uncompressed, or as JPEG, JPEG-LS, JPEG 2000 or RLE.",
    "unsupported_compression.frame": "The image is compressed as a JPEG of a kind that is not supported. Export it uncompressed, or as JPEG of 8 or 12 bits, JPEG-LS, JPEG 2000 or RLE.",
    "unsupported_compression.jpeg": "The JPEG is of a kind that is not supported outside DICOM, such as lossless JPEG or JPEG-LS. Send the DICOM file, or export it again as PNG or baseline JPEG.",
    "unsupported_compression.not_named": "The file does not say how its image is compressed (Transfer Syntax UID), and it cannot be told from the image. Export it again, uncompressed.",
    "unsupported_pixels": "The pixels are stored in a way that radiographs do not use. Export the image as 8 to 16 bit greyscale.",
    "wrong_modality": "The modality is {modality}, not CR, DX or RG. Only plain radiographs of the chest can be read: send those of the study.",
    "wrong_modality.sop_class": "The DICOM object is not a plain radiograph (its SOP class is another). Send the CR, DX or secondary capture images of the study.",
}
#: Of jobs and results.
JOBS = {
    "cropped": "The picture seems to show only a part of the chest",
    "inverted": "The picture seems to be inverted: what should be bright is dark",
    "no_contrast": "The picture is blank or has almost no contrast",
    "not_frontal_chest": "The picture does not look like an upright frontal chest radiograph",
    "rotated": "The picture seems to be turned on its side or upside down",
    "file_unreadable": "The image's file is missing from the storage, or cannot be read.",
    "file_damaged": "The stored file is not the one that was received: its checksum differs. It was damaged or changed in the storage of this portal, not in transfer.",
    "not_chest": "The file says that this shows {part}; the model was made for chests alone.",
    "not_frontal_view": "The file says that this is no frontal view ({view}); the model was made for frontal ones alone.",
    "part_of_chest": "The file says that this shows a part of the chest ({part}); the model was made for whole chests alone.",
    "prediction_failed": "The model failed on this image ({error}).",
    "reading_failed": "Reading the image failed ({error}).",
    "result_refused": "The model's result could not be stored ({error}).",
    "worker_lost": "The worker stopped or was cut off while it had this image (attempts: {attempts}). The image may be the cause.",
}
