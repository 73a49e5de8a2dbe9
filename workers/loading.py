"""Loading a job's file from storage into the network's input."""

import numpy as np

from ml.serving.preprocessing import read_input
from webportal.inference import inputs
from webportal.storage import DamagedFileError, StorageAwayError, is_storage_away, read_verified


class UnreadableFileError(Exception):
    """The storage is available, but this file is missing or incomplete."""


def load_input(key: str, sha256: str, size: int) -> np.ndarray:
    """Return the network input of a stored file, (size, size) uint8.

    The input that intake has handed over; otherwise the file is read and decoded. Raises
    DamagedFileError if its SHA-256 differs, ImageError if it cannot be decoded, UnreadableFileError
    and StorageAwayError.
    """
    made = inputs.take(sha256, size)
    if made is not None:
        return np.frombuffer(made, np.uint8).reshape(size, size)
    return read_input(_read(key, sha256), size)


def _read(key: str, sha256: str) -> bytes:
    try:
        return read_verified(key, sha256)
    except DamagedFileError:
        raise
    except Exception as error:  # S3 clients raise many kinds
        if is_storage_away():
            raise StorageAwayError from error
        raise UnreadableFileError from error
