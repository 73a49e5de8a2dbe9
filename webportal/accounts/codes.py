"""Codes of authenticator apps (TOTP, RFC 6238) and recovery codes.

A code can be used once: the database stores the time step of the last one, for all portal
processes.
"""

import base64
import hashlib
import hmac
import re
import secrets
import struct
import time
from urllib.parse import quote, urlencode

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac

from webportal.accounts.encryption import decrypt, encrypt
from webportal.accounts.models import Authenticator, RecoveryCode, User

# Supported by every authenticator app; many ignore other parameters in the QR code.
STEP_SECONDS = 30
DIGITS = 6
# Clocks may be one time step off, as RFC 6238 (5.2) recommends.
DRIFT_STEPS = 1
RECOVERY_CODES = 10
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"


def new_secret() -> str:
    """A secret of 160 bits in base32, as RFC 4226 recommends."""
    return base64.b32encode(secrets.token_bytes(20)).decode()


def address_of(secret: str, username: str, issuer: str) -> str:
    """The otpauth: URI that an app reads from the QR code."""
    label = quote(f"{issuer}:{username}")
    return f"otpauth://totp/{label}?{urlencode({'secret': secret, 'issuer': issuer})}"


def code_at(secret: str, step: int) -> str:
    """The code of one time step (HOTP, RFC 4226)."""
    key = base64.b32decode(secret)
    digest = hmac.new(key, struct.pack(">Q", step), hashlib.sha1).digest()
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**DIGITS:0{DIGITS}}"


def step_of(secret: str, code: str) -> int | None:
    """The time step near the current one to which the code belongs, or None."""
    now = int(time.time()) // STEP_SECONDS
    for step in range(now - DRIFT_STEPS, now + DRIFT_STEPS + 1):
        if hmac.compare_digest(code_at(secret, step).encode(), code.encode()):
            return step
    return None


def use_app_code(user: User, code: str) -> bool:
    """Whether it is a current, unused code of the user's app; marks it as used."""
    found = Authenticator.objects.filter(user=user).first()
    step = step_of(decrypt(found.secret), code) if found else None
    if step is None:
        return False
    unused = Authenticator.objects.filter(user=user, last_step__lt=step)
    return bool(unused.update(last_step=step, used_at=timezone.now()))


def use_recovery_code(user: User, code: str) -> bool:
    """Whether it is one of the user's recovery codes; removes it."""
    keys = (None, *settings.SECRET_KEY_FALLBACKS)
    deleted, _per_model = RecoveryCode.objects.filter(
        user=user, digest__in=[_digest(user, code, key) for key in keys]
    ).delete()
    return deleted > 0


def as_typed(text: str) -> str:
    """A code without the spaces and hyphens used for grouping."""
    return re.sub(r"[\s-]", "", text).lower()


def set_app(user: User, secret: str, step: int) -> None:
    """Set the user's authenticator app; `step` is the time step of the code that verified it."""
    Authenticator.objects.update_or_create(
        user=user,
        defaults={"secret": encrypt(secret), "last_step": step, "used_at": None},
    )


@transaction.atomic
def new_recovery_codes(user: User) -> list[str]:
    """Replace the user's recovery codes, of about 49 bits each; they are shown once."""
    made = ["".join(secrets.choice(_LETTERS) for _ in range(10)) for _ in range(RECOVERY_CODES)]
    RecoveryCode.objects.filter(user=user).delete()
    RecoveryCode.objects.bulk_create(
        RecoveryCode(user=user, digest=_digest(user, code)) for code in made
    )
    return [f"{code[:5]}-{code[5:]}" for code in made]


def _digest(user: User, code: str, key: str | None = None) -> str:
    """Under a key, or else under SECRET_KEY."""
    return salted_hmac(f"recovery code {user.pk}", code, key, algorithm="sha256").hexdigest()
