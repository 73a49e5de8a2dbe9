"""Finding the case record that belongs to a file."""

import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from django.db.models import Q

from webportal.intake.cases.case_record import FORM_KEY, CaseRecord
from webportal.intake.errors import RefusedError
from webportal.intake.models import IdentityMode, UploadBatch, Verdict

# Those in which Windows writes the names of a ZIP.
_CODE_PAGES = (
    *("cp932", "gbk", "big5", "cp949", "cp874", "cp866", "cp1251", "cp852", "cp1250", "cp850"),
    *("cp1252", "cp737", "cp1253", "cp857", "cp1254", "cp862", "cp1255", "cp720", "cp1256"),
)


def file_key(name: str) -> str:
    """Return a file's name or path normalised for comparison.

    Names that look alike are treated as equal: composed or decomposed, in any letter case, with any
    Unicode space, and without invisible characters (U+202F and zero-width joiners in names created
    by macOS or typed on a Nepali keyboard).
    """
    visible = "".join(
        " " if unicodedata.category(letter) == "Zs" else letter
        for letter in unicodedata.normalize("NFC", name)
        if unicodedata.category(letter) != "Cf"
    ).replace("\\", "/")
    return "/".join(part for part in visible.split("/") if part not in ("", ".")).casefold()


def matching_key(records: Mapping[str, Any], file_name: str) -> str | None:
    """Return the key of the sheet's line for a file: by its path, or by the end of its path.

    A ZIP may hold a name in the code page of some country without saying which; its bytes are then
    percent-encoded. If the sheet has the name that they are in one of these, it is that.
    """
    found = _matching_key(records, file_name)
    if found is not None or "%" not in file_name:
        return found
    keys = {_matching_key(records, name) for name in _decoded(file_name)} - {None}
    return keys.pop() if len(keys) == 1 else None


def _decoded(file_name: str) -> Iterator[str]:
    parts = file_name.split("/")
    for start in range(len(parts)):
        stored = unquote_to_bytes("/".join(parts[start:]))
        for page in () if stored.isascii() else _CODE_PAGES:
            try:
                yield stored.decode(page)
            except UnicodeDecodeError:
                continue


def _matching_key(records: Mapping[str, Any], file_name: str) -> str | None:
    parts = file_key(file_name).split("/")
    for start in range(len(parts)):
        key = "/".join(parts[start:])
        if key in records:
            return key
    return None


def record_for(batch: UploadBatch, file_name: str) -> CaseRecord | None:
    """Return the uploader's case record for a file, if any."""
    key = record_key(batch, file_name)
    return None if key is None else CaseRecord.from_json(batch.case_records[key])


def record_key(batch: UploadBatch, file_name: str) -> str | None:
    """Return the key of a file's case record among those of its batch, None if it has none."""
    if batch.identity_mode == IdentityMode.FORM:
        return FORM_KEY
    if batch.identity_mode == IdentityMode.SHEET:
        return matching_key(batch.case_records, file_name)
    return None


def refuse_second_use_of_line(batch: UploadBatch, file_name: str) -> None:
    """Raise RefusedError if a sheet's line already belongs to another file of the batch.

    A line may give a file name without its folder. If two folders contain a file of that name, or
    one folder two names that look alike, the line would assign both to one patient. Locks the
    batch, so that two such files cannot pass concurrently.
    """
    if batch.identity_mode != IdentityMode.SHEET:
        return
    key = record_key(batch, file_name)
    if key is None:
        return
    lock_lines(batch)
    others = batch.items.exclude(file_name=file_name).exclude(verdict=Verdict.REFUSED)
    may_be_alike = Q(file_name__iendswith=key.rsplit("/", 1)[-1]) | Q(file_name__regex=r"[^ -$&-~]")
    for name in others.filter(may_be_alike).values_list("file_name", flat=True):
        if record_key(batch, name) == key:
            raise RefusedError("ambiguous_sheet_line")


def lock_lines(batch: UploadBatch) -> None:
    """Let only one transaction at a time give files of the batch their lines."""
    UploadBatch.objects.select_for_update(no_key=True).get(pk=batch.pk)


def not_in_sheet() -> RefusedError:
    """Return the refusal of a file that needs a line in the sheet but has none."""
    return RefusedError("not_in_sheet")
