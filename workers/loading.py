"""From a job's file in the storage to the network's input."""

import numpy as np
from django.core.files.storage import default_storage

from ml import images
from ml.preprocessing import network_input


class StorageUnreachableError(Exception):
    """The storage as a whole cannot be read; no file is to blame."""


def load_input(key: str, size: int) -> np.ndarray:
    """Read and decode a stored file into network input, (size, size) uint8.

    Raises ImageError when the file cannot be decoded, FileNotFoundError when it alone is missing,
    and StorageUnreachableError.
    """
    return network_input(images.read(_read(key)), size)


def _read(key: str) -> bytes:
    try:
        with default_storage.open(key) as file:
            data: bytes = file.read()
            return data
    except FileNotFoundError:
        if is_storage_empty():
            raise StorageUnreachableError(
                "The storage is empty; is its volume mounted? See STORAGE_URL."
            ) from None
        raise
    except OSError as error:
        raise StorageUnreachableError(f"The storage cannot be read: {error.strerror}") from error


def is_storage_empty() -> bool:
    """Whether the storage holds nothing at all, as when its volume is not mounted."""
    try:
        folders, files = default_storage.listdir("")
    except OSError:
        return True
    return not folders and not files
