"""Password hashing: deliberately slow, so concurrency is limited for unauthenticated requests."""

from django.conf import settings
from django.contrib.auth import hashers

from webportal.accounts.turns import Turns


class Argon2PasswordHasher(hashers.Argon2PasswordHasher):
    """Django's hasher on one core: guessing costs the same, and pages keep the other cores.

    Passwords hashed with Django's own parameters are rehashed at the next sign-in.
    """

    parallelism = 1


#: For unauthenticated requests only: a flood of sign-ins must not keep anybody from signing a read,
#: and a signed-in user's attempts are few (`throttle.py`).
sign_ins = Turns(settings.PASSWORD_HASHES_AT_ONCE, patience_seconds=2)
