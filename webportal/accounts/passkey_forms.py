"""The browser's answer about a passkey, in the hidden field of a form."""

import json
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from webportal.accounts.passkeys import PasskeyError

FIELD = "passkey"


def answer_of(request: HttpRequest) -> dict[str, Any]:
    """What the browser sent (frontend/src/passkeys.ts); raises PasskeyError if it is unreadable."""
    try:
        found = json.loads(request.POST.get(FIELD, ""))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise PasskeyError(_("The browser sent no passkey. Try again."))
    return found
