"""Reasons: stored as a code with parameters, and rendered in the language of the page.

Each app registers its messages. A message belongs to a code, or to `code.variant` if a code has
several; the parameter `variant` selects one. The parameter `text` holds the whole message: a
sentence of an earlier release that matches no code.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.utils.translation import gettext, gettext_noop, override

from ml.errors import ImageError

OTHER = "other"
LONGEST_CODE = 40
#: Display names of fields listed among the parameters.
FIELDS = {
    "name": gettext_noop("name"),
    "birth_date": gettext_noop("date of birth"),
    "sex": gettext_noop("sex"),
    "PatientID": gettext_noop("Patient ID"),
    "IssuerOfPatientID": gettext_noop("issuer of the Patient ID"),
    "PatientName": gettext_noop("patient's name"),
    "AccessionNumber": gettext_noop("accession number"),
}
_MESSAGES: dict[str, str] = {}


def register(messages: Mapping[str, str]) -> None:
    """Register messages: English with `{}` placeholders, marked for translation."""
    for key, message in messages.items():
        if len(key.partition(".")[0]) > LONGEST_CODE:
            raise ValueError(f"The reason {key} has more than {LONGEST_CODE} characters.")
        if _MESSAGES.setdefault(key, message) != message:
            raise ValueError(f"The reason {key} has two messages.")


@dataclass(frozen=True)
class Reason:
    """Why a file was refused or held, or a job failed; false if there is no reason.

    `params` are plain JSON.
    """

    code: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, error: ImageError) -> Self:
        """Return the reason why an image cannot be read."""
        return cls(error.code, error.params)

    def __bool__(self) -> bool:
        return bool(self.code)

    def __str__(self) -> str:
        """Return the reason in the language of the page."""
        if "text" in self.params:
            return str(self.params["text"])
        variant = self.params.get("variant")
        message = _MESSAGES.get(f"{self.code}.{variant}" if variant else self.code)
        if message is None:  # of an earlier or later release
            return self.code
        return gettext(message).format_map(
            {name: _shown(value) for name, value in self.params.items()}
        )

    @property
    def english(self) -> str:
        """The reason in English, for programs and files."""
        with override(settings.LANGUAGE_CODE):
            return str(self)


NO_REASON = Reason()


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return f" {gettext('and')} ".join(gettext(FIELDS[name]) for name in value)
    return f"{value:,}" if isinstance(value, int) else str(value)


class Reasoned(models.Model):
    """A row with the reason for its state; both fields are empty if there is none."""

    reason_code = models.CharField(max_length=LONGEST_CODE, blank=True)
    reason_params = models.JSONField(default=dict, blank=True)

    class Meta:
        abstract = True

    @property
    def reason(self) -> Reason:
        """The reason, rendered when shown."""
        return Reason(self.reason_code, self.reason_params)
