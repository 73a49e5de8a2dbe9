"""Encryption with age: everybody who has a recipient encrypts, only the identity decrypts.

So the machine that makes the backups cannot read them, and neither can an intruder on it.
"""

from collections.abc import Sequence
from typing import IO, Any, Protocol

import pyrage
from django.conf import settings

from webportal.backups.errors import BackupError


class Readable(Protocol):
    """What can be read like a file."""

    def read(self, size: int = -1, /) -> bytes:
        """Read at most so many bytes."""


def recipients() -> Sequence[Any]:
    """The public keys to encrypt to; raises BackupError where none is set or one is not valid."""
    if not settings.BACKUP_RECIPIENTS:
        raise BackupError(
            "settings",
            "BACKUP_RECIPIENTS is not set. ‘manage.py create_backup_key FILE’ makes a key and"
            " prints what belongs there.",
        )
    try:
        return [pyrage.x25519.Recipient.from_str(each) for each in settings.BACKUP_RECIPIENTS]
    except pyrage.RecipientError as error:
        raise BackupError(
            "settings",
            "BACKUP_RECIPIENTS must list public keys of age, which begin with ‘age1’.",
        ) from error


def has_identity() -> bool:
    """Whether the key that decrypts is at hand."""
    return bool(settings.BACKUP_IDENTITY)


def identities() -> Sequence[Any]:
    """The keys that decrypt; raises BackupError where none is set or one is not valid."""
    lines = [line.strip() for line in settings.BACKUP_IDENTITY.splitlines()]
    keys = [line for line in lines if line and not line.startswith("#")]
    if not keys:
        raise BackupError(
            "settings",
            "BACKUP_IDENTITY is not set. Set BACKUP_IDENTITY_FILE to the key file that"
            " ‘manage.py create_backup_key’ wrote.",
        )
    try:
        return [pyrage.x25519.Identity.from_str(key) for key in keys]
    except pyrage.IdentityError as error:
        raise BackupError(
            "settings",
            "BACKUP_IDENTITY must be a secret key of age, which begins with ‘AGE-SECRET-KEY-1’.",
        ) from error


def new_identity() -> tuple[str, str]:
    """A new secret key, and the public key that belongs to it."""
    identity = pyrage.x25519.Identity.generate()
    return str(identity), str(identity.to_public())


def encrypt(source: Readable, target: IO[bytes]) -> None:
    """Encrypt a stream."""
    pyrage.encrypt_io(source, target, recipients())


def decrypt(source: Readable, target: IO[bytes]) -> None:
    """Decrypt a stream.

    Raises BackupError where it is not encrypted to the identity, or damaged.
    """
    try:
        pyrage.decrypt_io(source, target, identities())
    except (pyrage.DecryptError, OSError) as error:
        # Of damage behind the header pyrage says so by an error without a number.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise BackupError(
            "decryption",
            "The backup cannot be decrypted: BACKUP_IDENTITY is not the key of its recipient, or"
            " it is damaged.",
        ) from error
