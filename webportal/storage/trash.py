"""The trash: files that were taken away are kept for a while, each under its key in a folder.

A file's time is that of when it came into the trash.
"""

from django.core.files.storage import default_storage

from webportal.storage import move

FOLDER = "trash"


def key_in_trash(key: str) -> str:
    """Where the trash keeps the file of a key."""
    return f"{FOLDER}/{key}"


def discard(key: str) -> None:
    """Move a file into the trash; where there is none any more, do nothing."""
    try:
        move(key, key_in_trash(key))
    except FileNotFoundError:
        return


def take_back(key: str) -> bool:
    """Move a file from the trash to its place; return whether it was there and its place empty."""
    if default_storage.exists(key):
        return False
    try:
        move(key_in_trash(key), key)
    except FileNotFoundError:
        return False
    return True
