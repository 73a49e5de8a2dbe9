"""Why an image is not assessable, in English for the radiologist, by code."""

from ml.errors import translatable

MESSAGES = {
    "cropped": translatable("The picture seems to show only a part of the chest"),
    "inverted": translatable("The picture seems to be inverted: what should be bright is dark"),
    "no_contrast": translatable("The picture is blank or has almost no contrast"),
    "not_frontal_chest": translatable(
        "The picture does not look like an upright frontal chest radiograph"
    ),
    "rotated": translatable("The picture seems to be turned on its side or upside down"),
}
