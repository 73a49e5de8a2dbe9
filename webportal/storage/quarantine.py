"""The quarantine: damaged files, kept as evidence when the correct bytes replace them."""

from webportal.storage import move

FOLDER = "quarantine"


def set_aside(key: str) -> None:
    """Move a damaged file into the quarantine; do nothing if it does not exist."""
    try:
        move(key, f"{FOLDER}/{key}")
    except FileNotFoundError:
        return
