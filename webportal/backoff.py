"""How long to wait before a retry."""

import random

FIRST_PAUSE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 600.0


def pause_seconds(
    failures: int, *, first: float | None = None, longest: float | None = None
) -> float:
    """Exponential backoff with jitter, so that retries do not coincide.

    Args:
        failures: in a row; 1 is the first.
        first: the longest pause after it, in seconds; FIRST_PAUSE_SECONDS unless given.
        longest: LONGEST_PAUSE_SECONDS unless given.
    """
    start = FIRST_PAUSE_SECONDS if first is None else first
    most = LONGEST_PAUSE_SECONDS if longest is None else longest
    pause = min(start * 2.0 ** min(failures - 1, 20), most)
    return pause * random.uniform(0.7, 1.0)  # noqa: S311  # spreads load, guards nothing


def asked_seconds(retry_after: str) -> float:
    """The seconds that a Retry-After header asks for; 0 if there is none, or it has a date."""
    is_number = retry_after.isascii() and retry_after.isdigit() and len(retry_after) <= 9
    return float(retry_after) if is_number else 0.0
