"""Refusing weak keys: whoever guesses them forges sessions, or an audit trail that verifies.

SECRET_KEY can be replaced, so a process does not start with a weak one. AUDIT_KEY cannot: the
entries under it would no longer verify. A weak one is refused as long as there is no entry, and
afterwards every start says so in the log.
"""

import logging

from django.conf import settings

logger = logging.getLogger(__name__)

_SHORTEST = 32
_FEWEST_CHARACTERS = 8
_EXAMPLES = ("change", "example", "insecure", "placeholder", "secret-key", "secret_key", "your-")
_HINT = "Make one with 'openssl rand -hex 32'."


class WeakKeyError(Exception):
    """A key is weak; the message says what to do."""


def check_secret_key() -> None:
    """Raise WeakKeyError if SECRET_KEY is weak."""
    if weakness := _weakness(settings.SECRET_KEY):
        raise WeakKeyError(
            f"SECRET_KEY {weakness}. {_HINT} Where people have a second factor, first set"
            " SECOND_FACTOR_KEYS to a new key and the present SECRET_KEY, separated by a comma."
        )
    if settings.SECRET_KEY == settings.AUDIT_KEY:
        raise WeakKeyError(
            "SECRET_KEY and AUDIT_KEY are the same, so that whoever learns one has the other."
            f" Change SECRET_KEY. {_HINT}"
        )


def check_audit_key(*, is_in_use: bool) -> None:
    """Raise WeakKeyError if AUDIT_KEY is weak, or warn if there are entries under it."""
    weakness = _weakness(settings.AUDIT_KEY)
    if not weakness:
        return
    if not is_in_use:
        raise WeakKeyError(f"AUDIT_KEY {weakness}. {_HINT}")
    logger.warning(
        "AUDIT_KEY %s. Keep it nevertheless: the existing entries of the audit trail verify with no"
        " other key. Keep copies of the anchors where nobody who knows the key can write"
        " (AUDIT_ANCHOR_COPY, AUDIT_ANCHOR_SYSLOG).",
        weakness,
    )


def check_at_start() -> None:
    """Check the keys of a process of an installation that is prepared; raises WeakKeyError."""
    check_secret_key()
    check_audit_key(is_in_use=True)


def _weakness(key: str) -> str:
    if len(key) < _SHORTEST:
        return f"has {len(key)} characters, and needs at least {_SHORTEST}"
    if len(set(key)) < _FEWEST_CHARACTERS:
        return f"consists of fewer than {_FEWEST_CHARACTERS} different characters"
    if any(example in key.lower() for example in _EXAMPLES):
        return "looks like an example"
    return ""
