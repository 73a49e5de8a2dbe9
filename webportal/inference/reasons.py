"""Reasons for job outcomes as stored: in English, with `{}` placeholders."""

from django.utils.translation import gettext_noop

FILE_UNREADABLE = gettext_noop("The image's file is missing from the storage, or cannot be read.")
FILE_DAMAGED = gettext_noop(
    "The stored file is not the one that was received: its checksum differs. It was damaged or"
    " changed in the storage of this portal, not in transfer."
)
NOT_CHEST = gettext_noop(
    "The file says that this shows {part}; the model was made for chests alone."
)
NOT_FRONTAL_VIEW = gettext_noop(
    "The file says that this is no frontal view ({view}); the model was made for frontal ones"
    " alone."
)
PART_OF_CHEST = gettext_noop(
    "The file says that this shows a part of the chest ({part}); the model was made for whole"
    " chests alone."
)
PREDICTION_FAILED = gettext_noop("The model failed on this image ({error}).")
READING_FAILED = gettext_noop("Reading the image failed ({error}).")
RESULT_REFUSED = gettext_noop("The model's result could not be stored ({error}).")
WORKER_LOST = gettext_noop(
    "The worker stopped or was cut off while it had this image (attempts: {attempts}). The image"
    " may be the cause."
)

#: Templates with placeholders.
TEMPLATES = (
    NOT_CHEST,
    NOT_FRONTAL_VIEW,
    PART_OF_CHEST,
    PREDICTION_FAILED,
    READING_FAILED,
    RESULT_REFUSED,
    WORKER_LOST,
)
