"""Reasons for job outcomes: messages by code, with `{}` placeholders."""

from django.utils.translation import gettext_noop

from ml import errors
from ml.serving import refusals
from webportal.reasons import register

MESSAGES = {
    "file_unreadable": gettext_noop(
        "The image's file is missing from the storage, or cannot be read."
    ),
    "file_damaged": gettext_noop(
        "The stored file is not the one that was received: its checksum differs. It was damaged or"
        " changed in the storage of this portal, not in transfer."
    ),
    "not_chest": gettext_noop(
        "The file says that this shows {part}; the model is intended for chests only."
    ),
    "not_frontal_view": gettext_noop(
        "The file says that this is not a frontal view ({view}); the model is intended for"
        " frontal views only."
    ),
    "part_of_chest": gettext_noop(
        "The file says that this shows part of the chest ({part}); the model is intended for"
        " whole chests only."
    ),
    "prediction_failed": gettext_noop("The model failed on this image ({error})."),
    "reading_failed": gettext_noop("Reading the image failed ({error})."),
    "result_refused": gettext_noop("The model's result could not be stored ({error})."),
    "worker_lost": gettext_noop(
        "The worker stopped or was cut off while it had this image (attempts: {attempts}). The"
        " image may be the cause."
    ),
}

register(errors.MESSAGES)
register(refusals.MESSAGES)
register(MESSAGES)
