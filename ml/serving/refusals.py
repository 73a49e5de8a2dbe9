"""Why an image is not assessable, in English for the radiologist, by code."""

from ml.errors import translatable

MESSAGES = {
    "cropped": translatable("The image seems to show only part of the chest"),
    "inverted": translatable("The image seems to be inverted: what should be bright is dark"),
    "no_contrast": translatable("The image is blank or has almost no contrast"),
    "not_frontal_chest": translatable(
        "The image does not look like an upright frontal chest radiograph"
    ),
    "rotated": translatable("The image seems to be rotated onto its side or upside down"),
}
