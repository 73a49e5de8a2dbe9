"""Reasons that are stored with a file or a job: kept in English, shown in the reader's language.

What is always the same is looked up as it is stored. A sentence with a figure or a name in it is
known again by its template, whenever it was stored; one that is of no template is shown as it is.
"""

import re

from django.utils.translation import gettext, gettext_noop

from ml import images
from webportal.inference import reasons as of_jobs
from webportal.intake.checks import image_file

ARCHIVE_TOO_LARGE = gettext_noop(
    "Unpacked, the ZIP file has more than {gigabytes} GB. Split it into smaller ones."
)
ARCHIVE_TOO_SLOW = gettext_noop(
    "The files in the ZIP took longer than {minutes} minutes to check; what was taken in by then is"
    " stored. Send it again to go on with the rest, or split it into smaller ones."
)
BIKRAM_SAMBAT = gettext_noop(
    "The date of the study is {given}, in the future. It looks like Bikram Sambat, in which it is"
    " {converted} of the common era. Say whether it is that, or when the study was made."
)
BORN_BY_BIKRAM_SAMBAT = gettext_noop(
    "The patient's date of birth is {given}, in the future. It may be in Bikram Sambat, in which"
    " it is {converted} of the common era. Say whether it is that, or when the patient was born."
)
LETTERS_IN_DOUBT = gettext_noop(
    "Letters of the {attributes} cannot be read for certain: they are not of the character set that"
    " the file declares ({declared}). Look at the picture and the request, and correct them."
)
NO_CHARACTER_SET = gettext_noop(
    "Letters of the {attributes} cannot be read for certain: the file declares no character set"
    " that is known. Look at the picture and the request, and correct them."
)
PATIENT_MISMATCH = gettext_noop(
    "The patient record with this Patient ID has another {differences}. Decide on the list of held"
    " files whose image this is."
)
PATIENT_LEFT_AS_IT_IS = gettext_noop(
    "The file also gives the patient’s {missing}, which the record lacks. A study of the patient is"
    " signed, so the record is left as it is: a radiologist can correct it."
)
TOO_LARGE = gettext_noop(
    "The file is larger than {megabytes} MB, the limit for one file. Export the image again,"
    " compressed."
)
TOO_MANY_ENTRIES = gettext_noop(
    "The ZIP file holds more than {files} files. Split it into smaller ones."
)

#: Those in which something is filled in.
TEMPLATES = (
    *of_jobs.TEMPLATES,
    images.TOO_MANY_PIXELS,
    images.WRONG_MODALITY,
    ARCHIVE_TOO_LARGE,
    ARCHIVE_TOO_SLOW,
    BIKRAM_SAMBAT,
    BORN_BY_BIKRAM_SAMBAT,
    LETTERS_IN_DOUBT,
    NO_CHARACTER_SET,
    PATIENT_MISMATCH,
    PATIENT_LEFT_AS_IT_IS,
    TOO_LARGE,
    TOO_MANY_ENTRIES,
    image_file.TOO_SMALL,
    *image_file.IDENTIFIER_FAULTS.values(),
)


def in_words(reason: str) -> str:
    """Return a stored reason in the language of the page."""
    for template, pattern in _PATTERNS.items():
        if found := pattern.fullmatch(reason):
            values = {name: _value(value) for name, value in found.groupdict().items()}
            return gettext(template).format(**values)
    return gettext(reason) if reason else ""


def _value(value: str) -> str:
    """Translate what was filled in where it is a word of ours, such as the name of a field."""
    return f" {gettext('and')} ".join(gettext(part) for part in value.split(" and "))


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+?)", re.escape(template)))


_PATTERNS = {template: _pattern(template) for template in TEMPLATES}
