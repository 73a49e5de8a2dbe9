"""Loading a job's file from storage into the network's input."""

import numpy as np

from ml import images
from ml.serving.preprocessing import network_input
from webportal.storage import DamagedFileError, is_storage_away, read_verified


class StorageAwayError(Exception):
    """The storage as a whole cannot be read; no file is to blame."""


class UnreadableFileError(Exception):
    """The storage is there, but not this file, or not in one piece."""


def load_input(key: str, sha256: str, size: int) -> np.ndarray:
    """Read and decode a stored file into network input, (size, size) uint8.

    Raises DamagedFileError when it is not the file of that SHA-256, ImageError when it cannot be
    decoded, UnreadableFileError and StorageAwayError.
    """
    return network_input(images.read(_read(key, sha256)), size)


def _read(key: str, sha256: str) -> bytes:
    try:
        return read_verified(key, sha256)
    except DamagedFileError:
        raise
    except Exception as error:  # a bucket's client raises many kinds
        if is_storage_away():
            raise StorageAwayError from error
        raise UnreadableFileError from error
