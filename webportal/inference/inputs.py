"""What intake has made of an image for the network, handed to the worker that analyses it.

Intake decodes every file to check it, and most of that is reading the coded data. A worker that
finds the network's input ready need not do so again. It is a short cut and nothing depends on it:
where there is none (a bucket, another release, an image queued again), the worker decodes the
stored file. Nothing is flushed to disk, and no record names these files.

Somebody who can write to the storage cannot change a stored image unnoticed, and must not be able
to change what is analysed in its place: an input is signed, together with its image.
"""

import logging
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from django.db import transaction
from django.utils.crypto import constant_time_compare, salted_hmac

from webportal.storage import storage_folder
from webportal.version import VERSION

logger = logging.getLogger(__name__)

FOLDER = "inputs"
#: An input that no worker has fetched by then is removed.
KEPT_SECONDS = 3600
# Every upload fills this folder. Where it is missing, the volume is not mounted.
_NEIGHBOUR = "dicom"
_SIGNATURE_BYTES = 32
_UNFINISHED = ".incoming-"


def hand_over(pixels: Mapping[str, bytes]) -> None:
    """Hand over inputs, by the SHA-256 of their DICOM instance, once the transaction has committed.

    To be called before `queue.enqueue_new`, so that they are there when the hint is sent.
    """
    folder = _folder()
    if pixels and folder is not None:
        transaction.on_commit(lambda: _write(folder, pixels))


def take(dicom_sha256: str, size: int) -> bytes | None:
    """Return the input of an instance, size × size bytes, and remove it; None if there is none."""
    folder = _folder()
    if folder is None:
        return None
    file = folder / dicom_sha256
    try:
        with file.open("rb") as opened:
            # One that crashes a worker must not do so again.
            file.unlink()
            data = opened.read(_SIGNATURE_BYTES + size * size + 1)
    except OSError:
        return None
    signature, pixels = data[:_SIGNATURE_BYTES], data[_SIGNATURE_BYTES:]
    is_ours = constant_time_compare(signature, _signature(dicom_sha256, pixels))
    return pixels if is_ours and len(pixels) == size * size else None


def discard(dicom_sha256: str) -> None:
    """Remove the input of an instance, if there is one. Raises OSError if it stays."""
    folder = _folder()
    if folder is not None:
        (folder / dicom_sha256).unlink(missing_ok=True)


def remove_old() -> int:
    """Remove the inputs that nobody has fetched within an hour; returns how many."""
    removed = 0
    for file in _files():
        try:
            if time.time() - file.lstat().st_mtime > KEPT_SECONDS:
                file.unlink()
                removed += 1
        except FileNotFoundError:
            continue  # a worker has taken it meanwhile
        except OSError as error:
            # The rest of the storage is cleaned all the same.
            logger.warning("An old input cannot be removed: %s", error.strerror)
    return removed


def _folder() -> Path | None:
    root = storage_folder()
    return None if root is None else root / FOLDER


def _write(folder: Path, pixels: Mapping[str, bytes]) -> None:
    try:
        if not (folder.parent / _NEIGHBOUR).is_dir():
            return
        folder.mkdir(mode=0o750, exist_ok=True)
        for dicom_sha256, each in pixels.items():
            unfinished = folder / f"{_UNFINISHED}{dicom_sha256}"
            # Exclusively, so that no link is followed to a file that is elsewhere.
            descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
            with os.fdopen(descriptor, "wb") as file:
                file.write(_signature(dicom_sha256, each) + each)
            unfinished.replace(folder / dicom_sha256)
    except OSError as error:
        logger.warning("Images are decoded once more, their inputs not kept: %s", error.strerror)


def _signature(dicom_sha256: str, pixels: bytes) -> bytes:
    value = f"{VERSION} {dicom_sha256} ".encode() + pixels
    return salted_hmac(__name__, value, algorithm="sha256").digest()


def _files() -> Iterator[Path]:
    """What is in the folder, but for folders: some file servers add one of theirs everywhere."""
    folder = _folder()
    if folder is not None and folder.is_dir():
        yield from (each for each in folder.iterdir() if each.is_symlink() or not each.is_dir())
