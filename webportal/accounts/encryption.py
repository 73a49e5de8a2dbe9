"""Encryption of small secrets at rest, with keys that are not in the database."""

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


class UnreadableSecretError(Exception):
    """No key in SECOND_FACTOR_KEYS decrypts it: a key was removed from the setting too early."""


def encrypt(text: str) -> str:
    """Encrypt with the first key of SECOND_FACTOR_KEYS."""
    return _keys().encrypt(text.encode()).decode()


def decrypt(encrypted: str) -> str:
    """Decrypt with whichever key fits; raises UnreadableSecretError."""
    try:
        return _keys().decrypt(encrypted.encode()).decode()
    except InvalidToken as error:
        raise UnreadableSecretError from error


def _keys() -> MultiFernet:
    return MultiFernet([Fernet(_derived(key)) for key in settings.SECOND_FACTOR_KEYS])


def _derived(key: str) -> bytes:
    """A Fernet key; the purpose separates it from other uses of the setting."""
    derivation = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"chestline second factor")
    return base64.urlsafe_b64encode(derivation.derive(key.encode()))
