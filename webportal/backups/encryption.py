"""Encryption with age: encrypting needs only public recipients, decrypting the identity.

The machine that makes the backups therefore cannot read them, nor can an intruder on it.
"""

from collections.abc import Sequence
from typing import IO, Any, Protocol

import pyrage
from django.conf import settings

from webportal.backups.errors import BackupError


class Readable(Protocol):
    """An object that can be read like a file."""

    def read(self, size: int = -1, /) -> bytes:
        """Read up to that many bytes."""


def recipients() -> Sequence[Any]:
    """The public keys to encrypt to; raises BackupError if none is set or one is invalid."""
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
    """Whether the decryption key is available."""
    return bool(settings.BACKUP_IDENTITY)


def identities() -> Sequence[Any]:
    """The decryption keys; raises BackupError if none is set or one is invalid."""
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
    """A new secret key, and its public key."""
    identity = pyrage.x25519.Identity.generate()
    return str(identity), str(identity.to_public())


def encrypt(source: Readable, target: IO[bytes]) -> None:
    """Encrypt a stream."""
    pyrage.encrypt_io(source, target, recipients())


def decrypt(source: Readable, target: IO[bytes]) -> None:
    """Decrypt a stream.

    Raises BackupError if it is damaged, or not encrypted to this identity.
    """
    try:
        pyrage.decrypt_io(source, target, identities())
    except (pyrage.DecryptError, OSError) as error:
        # For damage after the header, pyrage raises an error without an error number.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise BackupError(
            "decryption",
            "The backup cannot be decrypted: BACKUP_IDENTITY is not the key of its recipient, or"
            " it is damaged.",
        ) from error
