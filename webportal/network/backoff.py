"""How long to wait before something is tried again."""

import random

FIRST_PAUSE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 600.0


def pause_seconds(failures: int) -> float:
    """Exponential backoff with jitter, so that retries do not coincide; 1 is the first failure."""
    longest = min(FIRST_PAUSE_SECONDS * 2.0 ** min(failures - 1, 20), LONGEST_PAUSE_SECONDS)
    return longest * random.uniform(0.7, 1.0)  # noqa: S311  # spreads load, guards nothing
