"""Authentication of the signer: by password, or for a while afterwards by signing PIN.

As 21 CFR 11.200(a)(1)(i) requires, the first of a series of signatures in one session takes all
components: the user name (which the session supplies) and the password. Later ones take at least
one component that only its owner knows: the password, or a PIN that the owner chose while the
series was open. A series stays open for SIGNING_PIN_MINUTES after the last signature of the same
session. Any failed attempt ends it. A passkey is all components at once, and signs at any time.
"""

import re
import time

from django.conf import settings
from django.contrib.auth.hashers import check_password, make_password
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.utils.translation import gettext as _

from webportal.accounts.confirmation import confirm_identity
from webportal.accounts.directory.passwords import is_right
from webportal.accounts.locking import unlocked_at
from webportal.accounts.models import Passkey, User
from webportal.accounts.services import (
    AccountError,
    PasswordUncheckedError,
    confirm,
    confirm_password,
)
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.review.models import SigningPin
from webportal.review.reads.refusals import ReadingError

LAST_SIGNATURE = "signing_last_at"
PIN = re.compile(r"[0-9]{6,12}")


#: What a user presents: a password or PIN, or a passkey just used for this purpose.
Secret = str | Passkey


def check_signer(signer: User, secret: Secret, failure: Event, pin_is_open: bool) -> None:
    """Authenticate the signer, and audit failures.

    Raises ReadingError with the code wrong_password, or directory_unreachable if the password was
    not checked.
    """
    try:
        confirm_signer(signer, secret, pin_is_open)
    except AccountError as error:
        code = "wrong_password"
        if isinstance(error, PasswordUncheckedError):
            code = error.code
        else:
            append(failure, signer)
        message = f"{error} " + _("Nothing is signed; your text is kept.")
        raise ReadingError(code, message, retry_seconds=error.retry_seconds) from error


def confirm_signer(signer: User, secret: Secret, pin_is_open: bool) -> None:
    """Confirm a person's identity, while `pin_is_open` also by PIN; raises AccountError."""
    if isinstance(secret, Passkey) or not pin_is_open or not has_pin(signer):
        confirm_identity(signer, secret)
        return
    confirm(
        signer,
        lambda: _is_pin(signer, secret) or is_right(signer, secret),
        _("That is neither your password nor your signing PIN."),
    )


def _is_pin(signer: User, secret: str) -> bool:
    pin = SigningPin.objects.filter(user=signer).first() if PIN.fullmatch(secret) else None
    return pin is not None and check_password(secret, pin.pin_hash)


def is_pin_offered() -> bool:
    """Whether hospital IT allows signing with a PIN."""
    return bool(settings.SIGNING_PIN_MINUTES > 0)


def has_pin(signer: User) -> bool:
    """Whether this person has set a PIN."""
    return SigningPin.objects.filter(user=signer).exists()


def pin_is_open(session: SessionBase) -> bool:
    """Whether a series of signatures is open in this session."""
    last = session.get(LAST_SIGNATURE, 0.0)
    if time.time() - last >= settings.SIGNING_PIN_MINUTES * 60:
        return False
    # The lock has ended the series, also one that a request under way continued meanwhile.
    unlocked = unlocked_at(session)
    return unlocked is None or unlocked.timestamp() < last


def continue_series(session: SessionBase) -> None:
    """Record that a signature was given in this session."""
    session[LAST_SIGNATURE] = time.time()


def end_series(session: SessionBase) -> None:
    """Require the password for the next signature."""
    session.pop(LAST_SIGNATURE, None)


def set_pin(user: User, password: str, pin: str) -> None:
    """Set a person's signing PIN; '' removes it. Raises AccountError if it is not allowed."""
    confirm_password(user, password)
    if pin and (not PIN.fullmatch(pin) or len(set(pin)) < 3):
        raise AccountError(_("Choose 6 to 12 digits, at least three of them different."))
    # A wrong password above has to stay counted, so it is not part of the transaction.
    with transaction.atomic():
        if pin:
            values = {"pin_hash": make_password(pin)}
            SigningPin.objects.update_or_create(user=user, defaults=values)
        else:
            SigningPin.objects.filter(user=user).delete()
        append(Event(Action.SIGNING_PIN_SET, "user", user.pk, detail={"removed": not pin}), user)
