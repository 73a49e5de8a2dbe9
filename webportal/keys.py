"""Refusing weak keys: whoever guesses them forges sessions, or an audit trail that verifies.

A process does not start with a weak SECRET_KEY, nor without the key that the audit trail goes on
with. A weak AUDIT_KEY is refused as long as there is no entry; later it has to be rotated, which
every start says in the log.
"""

import logging

from django.conf import settings
from django.db import DatabaseError

from webportal.audit import epochs
from webportal.audit.keyring import MissingKeyError
from webportal.audit.models import ChainHead

logger = logging.getLogger(__name__)

_SHORTEST = 32
_FEWEST_CHARACTERS = 8
_EXAMPLES = ("change", "example", "insecure", "placeholder", "secret-key", "secret_key", "your-")
_HINT = "Make one with 'openssl rand -hex 32'."


class RefusedKeyError(Exception):
    """A key is weak or missing; the message says what to do."""


def check_secret_key() -> None:
    """Raise RefusedKeyError if SECRET_KEY is weak."""
    if weakness := _weakness(settings.SECRET_KEY):
        raise RefusedKeyError(
            f"SECRET_KEY {weakness}. {_HINT} Where people have a second factor, first set"
            " SECOND_FACTOR_KEYS to a new key and the present SECRET_KEY, separated by a comma."
        )
    if any(_weakness(key) for key in settings.SECRET_KEY_FALLBACKS):
        raise RefusedKeyError(
            "A key in SECRET_KEY_FALLBACKS is weak, and what it signs would be accepted. Remove it:"
            " everybody has to sign in again, and recovery codes made under it stop working. If"
            " SECOND_FACTOR_KEYS is not set, first set it to a new key and the one that you remove,"
            " separated by a comma, so that authenticator apps go on working."
        )
    if settings.SECRET_KEY == settings.AUDIT_KEY:
        raise RefusedKeyError(
            "SECRET_KEY and AUDIT_KEY are the same, so that whoever learns one has the other."
            f" Change SECRET_KEY. {_HINT}"
        )


def check_audit_key(*, is_in_use: bool) -> None:
    """Raise RefusedKeyError if AUDIT_KEY is weak, or warn if there are entries under it."""
    weakness = _weakness(settings.AUDIT_KEY)
    if not weakness:
        return
    if not is_in_use:
        raise RefusedKeyError(f"AUDIT_KEY {weakness}. {_HINT}")
    logger.warning(
        "AUDIT_KEY %s. Rotate it: make another with 'openssl rand -hex 32', move this one to"
        " AUDIT_OLD_KEYS, and run 'manage.py rotate_audit_key' once every process has both.",
        weakness,
    )


def check_at_start() -> None:
    """Check the keys of a process of an installation that is prepared; raises RefusedKeyError."""
    check_secret_key()
    check_audit_key(is_in_use=True)
    check_trail_key()


def check_trail_key() -> None:
    """Raise RefusedKeyError without the key that the audit trail goes on with.

    Where the database does not answer, this is left to the first entry, which is refused as well.
    """
    try:
        epochs.current_key()
    except MissingKeyError as error:
        raise RefusedKeyError(str(error)) from error
    except (DatabaseError, ChainHead.DoesNotExist) as error:
        logger.warning("The key of the audit trail is not checked yet: %s", type(error).__name__)


def _weakness(key: str) -> str:
    if len(key) < _SHORTEST:
        return f"has {len(key)} characters, and needs at least {_SHORTEST}"
    if len(set(key)) < _FEWEST_CHARACTERS:
        return f"consists of fewer than {_FEWEST_CHARACTERS} different characters"
    if any(example in key.lower() for example in _EXAMPLES):
        return "looks like an example"
    return ""
