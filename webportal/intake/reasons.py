"""Why a file was refused, held, or accepted with a note: messages by code."""

from django.utils.translation import gettext_noop

from webportal.intake.checks import messages as of_checks
from webportal.reasons import register

MESSAGES = {
    # Refused: archives
    "archive_bomb": gettext_noop(
        "The file unpacks to far more than an image would. Send the image without the ZIP."
    ),
    "archive_too_large": gettext_noop(
        "Unpacked, the ZIP file has more than {gigabytes} GB. Split it into smaller ones."
    ),
    "archive_too_slow": gettext_noop(
        "The files in the ZIP took longer than {minutes} minutes to check; what had been checked"
        " by then is stored. Send it again to go on with the rest, or split it into smaller ones."
    ),
    "damaged_archive": gettext_noop(
        "The ZIP file is damaged or incomplete. Create it again, or send the files without it."
    ),
    "damaged_entry": gettext_noop(
        "The file is damaged inside the ZIP. Create the ZIP again, or send the file without it."
    ),
    "empty_archive": gettext_noop("The ZIP file contains no files. Send one that does."),
    "encrypted": gettext_noop("The file is encrypted. Create the ZIP again without a password."),
    "link": gettext_noop("This is a link, not a file. Put the file itself into the ZIP."),
    "nested_archive": gettext_noop("This is a ZIP inside the ZIP. Unpack it and send its files."),
    "too_many_entries": gettext_noop(
        "The ZIP file contains more than {files} files. Split it into smaller ones."
    ),
    "unsafe_path": gettext_noop(
        "The path of this file leads outside the ZIP. Create the ZIP again from a folder."
    ),
    "unsupported_zip": gettext_noop(
        "The ZIP is compressed with an unusual method. Create it again with the usual one, Deflate."
    ),
    # Refused: others
    "ambiguous_sheet_line": gettext_noop(
        "Two files match the same line of the sheet. Write the folder before the file's name in"
        " the sheet, and send the sheet and this file as a new upload."
    ),
    "inbox_file_missing": gettext_noop(
        "The received file is missing from the inbox, or damaged. Send the image again from the"
        " device."
    ),
    "internal_error": gettext_noop(
        "The server failed on this file. Send it again; if that fails too, tell hospital IT."
    ),
    "not_in_sheet": gettext_noop(
        "The sheet has no line for this file. Add the line, and send the sheet and this file as a"
        " new upload."
    ),
    "patient_contradiction": gettext_noop(
        "The file names a different patient from the one you gave. Check which is right, and send"
        " the file in a new upload with the right patient, or without one."
    ),
    "study_elsewhere": gettext_noop(
        "The study of this image belongs to another department. Ask someone in that department to"
        " send the file, or to move the study."
    ),
    "too_large": gettext_noop(
        "The file is larger than {megabytes} MB, the limit for one file. Export the image again,"
        " compressed."
    ),
    # Held
    "bikram_sambat": gettext_noop(
        "The date of the study is {given}, in the future. It looks like Bikram Sambat, in which it"
        " is {converted} of the common era. Say whether it is that, or when the study was made."
    ),
    "bikram_sambat.birth": gettext_noop(
        "The patient's date of birth is {given}, in the future. It may be in Bikram Sambat, in"
        " which it is {converted} of the common era. Say whether it is that, or when the patient"
        " was born."
    ),
    "birth_date_unreadable": gettext_noop(
        "The file gives the patient’s date of birth as “{given}”, which is not a date. Say when the"
        " patient was born, or leave it out: the age is then the one that the file states, if any."
    ),
    "dates_contradict": gettext_noop(
        "The dates of the file cannot be right: the study lies before the birth, more than 130"
        " years after it, or before there were X-rays. Say which date is right, or leave it out."
    ),
    "dates_contradict.birth": gettext_noop(
        "The patient’s date of birth is more than 130 years ago. Say when the patient was born, or"
        " leave it out."
    ),
    "instance_exists": gettext_noop(
        "A file of this image (the same SOP Instance UID) is already stored, with different"
        " content. Compare the two: discard this one, or say whose it is to keep both; it then"
        " becomes a separate image with a new SOP Instance UID."
    ),
    "letters_in_doubt": gettext_noop(
        "Characters in the {attributes} cannot be decoded with certainty: they are not in "
        "the character set that the file declares ({declared}). Check the image and the "
        "request, and correct them."
    ),
    "letters_in_doubt.no_character_set": gettext_noop(
        "Characters in the {attributes} cannot be decoded with certainty: the file declares "
        "no known character set. Check the image and the request, and correct them."
    ),
    "no_identifier": gettext_noop(
        "The file’s Patient ID is a placeholder that several patients may share. Say whose image"
        " it is."
    ),
    "no_identifier.spreadsheet": gettext_noop(
        "The file’s Patient ID is what a spreadsheet makes of a long number or an error; several"
        " patients may share it. Say whose image it is."
    ),
    "patient_mismatch": gettext_noop(
        "The patient record with this Patient ID has a different {differences}. Decide on the"
        " list of held files whose image this is."
    ),
    "study_date_in_future": gettext_noop(
        "The date of the study is in the future. Say when the study was made, or leave the date"
        " out."
    ),
    "study_mismatch": gettext_noop(
        "The study that this image belongs to is recorded for another patient. Decide on the list"
        " of held files whose image this is."
    ),
    # Why a decision on a held file cannot be carried out
    "dates_contradict.converted": gettext_noop(
        "Read as Bikram Sambat, the dates of birth and study still contradict each other. Write"
        " the right ones."
    ),
    "file_damaged.held": gettext_noop(
        "The stored file is missing, or not the one that was received. Hospital IT is notified."
        " Send the same file again to the same upload, which repairs it, or discard it."
    ),
    "nobody_recorded": gettext_noop(
        "Nobody is recorded under what the file says. Correct it, or say that it is another person."
    ),
    "not_bikram_sambat": gettext_noop("No date of this file looks like Bikram Sambat."),
    "study_date_in_doubt": gettext_noop(
        "The date of its study is in doubt: decide on it separately."
    ),
    # Discarded, or accepted
    "discarded": gettext_noop("A person looked at it and discarded it."),
    "recorded_for_another": gettext_noop(
        "It is recorded for a different patient from the one you gave. Open that patient and"
        " check which is right."
    ),
    "repaired": gettext_noop("The stored file was missing or damaged; this one has replaced it."),
    "stored_elsewhere": gettext_noop(
        "The image is already stored in another department, and is not in yours. If it belongs to"
        " yours, ask hospital IT who can move the study."
    ),
    "signed_record_kept": gettext_noop(
        "The file also gives the patient’s {missing}, which the record lacks. A study of the"
        " patient is signed, so the record is left as it is: a radiologist can correct it."
    ),
}

register(of_checks.MESSAGES)
register(MESSAGES)
