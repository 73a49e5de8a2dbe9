"""The quarantine: damaged files, kept aside as evidence when the right bytes take their place."""

from webportal.storage import move

FOLDER = "quarantine"


def set_aside(key: str) -> None:
    """Move a damaged file into the quarantine; where there is none, do nothing."""
    try:
        move(key, f"{FOLDER}/{key}")
    except FileNotFoundError:
        return
