"""Why the checks refuse a file, in addition to `ml.images`; independent of the settings."""

from collections.abc import Mapping
from typing import ClassVar

from ml.errors import ImageError, translatable

# For codes with an attribute, by the code of webportal.records.identifiers.
MESSAGES = {
    "birth_date_in_future": translatable(
        "The patient's date of birth is in the future. Correct it at the source, and export the"
        " image again."
    ),
    "control_characters": translatable(
        "The {attribute} contains line breaks or other control characters ({letters}), so it is"
        " not certain whose image this is. Correct it at the source, and export the image again."
    ),
    "decoder_failed": translatable(
        "The image is damaged in a way that stops the decoder. Export it again."
    ),
    "decomposed_letters": translatable(
        "The {attribute} contains decomposed accents ({letters}), so it is not certain whose"
        " image this is. Correct it at the source, and export the image again."
    ),
    "incomplete_header": translatable(
        "The DICOM file lacks valid identifiers of its image or study. Export it again."
    ),
    "invisible_letters": translatable(
        "The {attribute} contains invisible characters or unusual spaces ({letters}), so it is"
        " not certain whose image this is. Correct it at the source, and export the image again."
    ),
    "look_alike_letters": translatable(
        "The {attribute} contains characters that only look like others ({letters}), or several"
        " spaces in a row, so it is not certain whose image this is. Correct it at the source,"
        " and export the image again."
    ),
    "no_patient": translatable("A JPEG or PNG does not name its patient. Say whose image it is."),
    "side_too_long": translatable(
        "The image has more than {pixels} pixels on a side, which no radiograph has. Send the"
        " radiograph at the size it was taken."
    ),
    "several_values": translatable(
        "The {attribute} contains a backslash, which separates two values, so it is not certain"
        " whose image this is. Correct it at the source, and export the image again."
    ),
    "too_long": translatable(
        "The {attribute} is longer than {longest} characters. It is not shortened, because it"
        " could then be another patient's. Correct it at the source, and export the image again."
    ),
    "too_much_memory": translatable(
        "Decoding the image takes too much memory. Export it again, uncompressed."
    ),
    "too_slow": translatable("The image takes too long to decode. Export it again, uncompressed."),
    "too_small": translatable(
        "The image has fewer than {pixels} pixels a side, too few to see a lung in: it is probably"
        " a thumbnail. Send the radiograph at the size it was taken."
    ),
}


class CheckError(ImageError):
    """The image is readable, or might be, but is not accepted."""

    messages: ClassVar[Mapping[str, str]] = MESSAGES
