"""The trash: removed files are kept for a while, each under its key in a folder.

A file's time is when it was moved into the trash.
"""

from django.core.files.storage import default_storage

from webportal.storage import move

FOLDER = "trash"


def key_in_trash(key: str) -> str:
    """The key under which the trash keeps a file."""
    return f"{FOLDER}/{key}"


def discard(key: str) -> None:
    """Move a file into the trash; do nothing if it no longer exists."""
    try:
        move(key, key_in_trash(key))
    except FileNotFoundError:
        return


def take_back(key: str) -> bool:
    """Restore a file from the trash; return False if it is not there or its key is in use."""
    if default_storage.exists(key):
        return False
    try:
        move(key_in_trash(key), key)
    except FileNotFoundError:
        return False
    return True
