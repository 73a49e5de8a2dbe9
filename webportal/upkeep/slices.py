"""The storage in 256 slices, so that processing one is quick however many files there are."""

from collections.abc import Iterator

from webportal.intake.models import UploadItem
from webportal.records.models import Radiograph
from webportal.storage import list_folder
from webportal.storage.trash import FOLDER as TRASH

SLICES = 256
_FOLDERS = ("originals", "dicom")
_HELD_FOLDER = "held"


def keys_of(number: int) -> list[str]:
    """The keys of a slice: those whose hash or random name begins with its number."""
    return list(_keys("", number))


def keys_in_trash(number: int) -> list[str]:
    """The original keys of the files of a slice that are in the trash."""
    return [key.removeprefix(f"{TRASH}/") for key in _keys(f"{TRASH}/", number)]


def _keys(root: str, number: int) -> Iterator[str]:
    prefix = f"{number % SLICES:02x}"
    for folder in _FOLDERS:
        for subfolder in list_folder(f"{root}{folder}/{prefix}")[0]:
            path = f"{root}{folder}/{prefix}/{subfolder}"
            yield from (f"{path}/{name}" for name in list_folder(path)[1])
    held = f"{root}{_HELD_FOLDER}"
    yield from (f"{held}/{name}" for name in list_folder(held)[1] if name.startswith(prefix))


def referenced(keys: list[str]) -> set[str]:
    """The given keys that a record names."""
    found: set[str] = set()
    for names, field in (
        (Radiograph.objects, "original_key"),
        (Radiograph.objects, "dicom_key"),
        (UploadItem.objects, "held_key"),
    ):
        found |= set(names.filter(**{f"{field}__in": keys}).values_list(field, flat=True))
    return found


def named_files() -> Iterator[tuple[str, str]]:
    """Key and SHA-256 of every file that a record names; a file named twice may come twice."""
    images = Radiograph.objects.order_by("pk").values_list(
        "original_key", "original_sha256", "dicom_key", "dicom_sha256"
    )
    for original_key, original_sha256, dicom_key, dicom_sha256 in images.iterator():
        yield original_key, original_sha256
        yield dicom_key, dicom_sha256
    held = UploadItem.objects.exclude(held_key="").values_list("held_key", "sha256")
    yield from held.iterator()
