from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps
from django.db.models import Q

from webportal.inference.migrations._sentences import IMAGES, found, sentence

#: Of files.
FILES = {
    "birth_date_in_future": "The patient's date of birth is in the future. Correct it where the image was made, and export it again.",
    "control_characters": "The {attribute} holds line breaks or other control characters ({letters}), so it is not certain whose image this is. Correct it where the image was made, and export it again.",
    "decoder_failed": "The image is damaged in a way that stops the decoder. Export it again.",
    "decomposed_letters": "The {attribute} is written with accents apart from their letters ({letters}), so it is not certain whose image this is. Correct it where the image was made, and export it again.",
    "incomplete_header": "The DICOM file lacks valid identifiers of its image or study. Export it again.",
    "invisible_letters": "The {attribute} holds letters that nobody sees, or spaces of another kind ({letters}), so it is not certain whose image this is. Correct it where the image was made, and export it again.",
    "no_patient": "A JPEG or PNG does not name its patient. Say whose image it is.",
    "several_values": "The {attribute} holds a backslash, which parts two values, so it is not certain whose image this is. Correct it where the image was made, and export it again.",
    "too_long": "The {attribute} is longer than {longest} characters. It is not cut, because cut it could be another's. Correct it where the image was made, and export it again.",
    "too_much_memory": "Decoding the image takes too much memory. Export it again, uncompressed.",
    "too_slow": "The image takes too long to decode. Export it again, uncompressed.",
    "too_small": "The image has fewer than {pixels} pixels a side, too few to see a lung in: it is probably a thumbnail. Send the radiograph at the size it was taken.",
    "archive_bomb": "The file unpacks to far more than an image would. Send the image without the ZIP.",
    "archive_too_slow": "The files in the ZIP took longer than {minutes} minutes to check; what was taken in by then is stored. Send it again to go on with the rest, or split it into smaller ones.",
    "archive_too_large": "Unpacked, the ZIP file has more than {gigabytes} GB. Split it into smaller ones.",
    "damaged_archive": "The ZIP file is damaged or incomplete. Make it again, or send the files without it.",
    "damaged_entry": "The file is damaged inside the ZIP. Make the ZIP again, or send the file without it.",
    "empty_archive": "The ZIP file holds no files. Send one that does.",
    "encrypted": "The file is encrypted. Make the ZIP again without a password.",
    "link": "This is a link, not a file. Put the file itself into the ZIP.",
    "nested_archive": "This is a ZIP inside the ZIP. Unpack it and send its files.",
    "too_many_entries": "The ZIP file holds more than {files} files. Split it into smaller ones.",
    "unsafe_path": "The name of this file in the ZIP leads outside it. Make the ZIP again from a folder.",
    "unsupported_zip": "The ZIP is compressed in an unusual way. Make it again with the usual one, Deflate.",
    "ambiguous_sheet_line": "Two files fit the same line of the sheet. Write the folder before the file's name in the sheet, and send the sheet and this file as a new batch.",
    "instance_exists": "Another file of this very image (the same SOP Instance UID) is stored already, with other content. Look at its study; send only what is missing there.",
    "internal_error": "The server failed on this file. Send it again; if that fails too, tell hospital IT.",
    "not_in_sheet": "The sheet has no line for this file. Add the line, and send the sheet and this file as a new batch.",
    "patient_contradiction": "The file names another patient than you did. Check which is right, and send the file in a new batch with the right patient, or without one.",
    "too_large": "The file is larger than {megabytes} MB, the limit for one file. Export the image again, compressed.",
    "bikram_sambat": "The date of the study is {given}, in the future. It looks like Bikram Sambat, in which it is {converted} of the common era. Say whether it is that, or when the study was made.",
    "bikram_sambat.birth": "The patient's date of birth is {given}, in the future. It may be in Bikram Sambat, in which it is {converted} of the common era. Say whether it is that, or when the patient was born.",
    "dates_contradict": "The dates of the file cannot be right: the study lies before the birth, more than 130 years after it, or before there were X-rays. Say which date is right, or leave it out.",
    "letters_in_doubt": "Letters of the {attributes} cannot be read for certain: they are not of the character set that the file declares ({declared}). Look at the picture and the request, and correct them.",
    "letters_in_doubt.no_character_set": "Letters of the {attributes} cannot be read for certain: the file declares no character set that is known. Look at the picture and the request, and correct them.",
    "no_identifier": "The file’s Patient ID is a placeholder that several patients may share. Say whose image it is.",
    "patient_mismatch": "The patient record with this Patient ID has another {differences}. Decide on the list of held files whose image this is.",
    "study_date_in_future": "The date of the study is in the future. Say when the study was made, or leave the date out.",
    "study_mismatch": "The study that this image belongs to is recorded for another patient. Decide on the list of held files whose image this is.",
    "discarded": "A person looked at it and discarded it.",
    "repaired": "The stored file was missing or damaged; this one has taken its place.",
    "recorded_for_another": "It is recorded for another patient than you gave. Open that patient and check which is right.",
    "signed_record_kept": "The file also gives the patient’s {missing}, which the record lacks. A study of the patient is signed, so the record is left as it is: a radiologist can correct it.",
}
MESSAGES = FILES | IMAGES


def to_codes(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    rows = apps.get_model("intake", "UploadItem").objects
    stored = rows.exclude(reason="").order_by().values_list("reason_code", "reason").distinct()
    for code, words in list(stored):
        known, params = found(MESSAGES, code, words)
        rows.filter(reason_code=code, reason=words).update(reason_code=known, reason_params=params)


def to_sentences(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    rows = apps.get_model("intake", "UploadItem").objects.exclude(reason_code="")
    stored = rows.order_by().values_list("reason_code", "reason_params").distinct()
    for code, params in list(stored):
        rows.filter(reason_code=code, reason_params=params).update(
            reason=sentence(MESSAGES, code, params)
        )


class Migration(migrations.Migration):
    dependencies = [("intake", "0002_held_to_be_decided")]

    operations = [
        migrations.RemoveConstraint(model_name="uploaditem", name="item_verdict_complete"),
        migrations.AddField(
            model_name="uploaditem",
            name="reason_params",
            field=models.JSONField(blank=True, default=dict),
        ),
        migrations.RunPython(to_codes, to_sentences),
        migrations.RemoveField(model_name="uploaditem", name="reason"),
        migrations.AddConstraint(
            model_name="uploaditem",
            constraint=models.CheckConstraint(
                condition=Q(verdict__in=["accepted", "duplicate"], radiograph__isnull=False)
                | Q(verdict="held", radiograph=None) & ~Q(held_key="") & ~Q(reason_code="")
                | Q(verdict__in=["refused", "discarded"], radiograph=None) & ~Q(reason_code=""),
                name="item_verdict_complete",
            ),
        ),
    ]
