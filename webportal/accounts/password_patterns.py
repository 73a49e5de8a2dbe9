"""Rejecting passwords that follow common patterns."""

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from zxcvbn import zxcvbn

from webportal.accounts.models import User

# The first ideas of hospital staff.
WORDS = ["chestline", "hospital", "radiology", "radiologist", "pneumonia", "thorax", "xray", "ward"]
# zxcvbn's scale goes up to 4; from 3 on, guessing takes more than about 10¹⁰ attempts.
LEAST_SCORE = 3
# Further characters make a password no weaker, and take long to analyse.
_CHECKED_LETTERS = 72


class PatternValidator:
    """Rejects words with a year, keyboard rows, repetitions and the like, using zxcvbn."""

    def validate(self, password: str, user: AbstractBaseUser | None = None) -> None:
        """Raise ValidationError for a password that is easy to guess."""
        known = [*WORDS]
        if isinstance(user, User):
            known += [user.username, *user.full_name.split(), user.email.partition("@")[0]]
        checked = zxcvbn(password[:_CHECKED_LETTERS], user_inputs=[word for word in known if word])
        if checked["score"] < LEAST_SCORE:
            raise ValidationError(
                _(
                    "This password is easy to guess: it follows a common pattern. Use three "
                    "or four unrelated words."
                ),
                code="password_pattern",
            )

    def get_help_text(self) -> str:
        """The requirement."""
        return _("Three or four unrelated words make a good one.")
