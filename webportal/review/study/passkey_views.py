"""Signing with a passkey, which the browser requests before the form is sent."""

import uuid

from django.http import HttpResponse
from django.views.decorators.http import require_POST

from webportal.accounts import passkey_forms
from webportal.accounts.models import Role
from webportal.accounts.passkeys import PasskeyError
from webportal.accounts.roles import SignedInRequest, allow
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.records.models import Study
from webportal.review.reads.authentication import Secret
from webportal.review.reads.refusals import ReadingError


@allow(Role.RADIOLOGIST)
@require_POST
def passkey_options(request: SignedInRequest, study_id: uuid.UUID) -> HttpResponse:
    """The options for the browser to request the passkey that signs for this study."""
    return passkey_forms.options_for(request, _purpose(study_id), request.user)


def secret_shown(request: SignedInRequest, study: Study, password: str) -> Secret:
    """What the reader signs with: the passkey if the browser has sent one, or the password.

    Raises ReadingError with the code wrong_password, after an audit entry.
    """
    try:
        return passkey_forms.secret_of(request, _purpose(study.pk), request.user, password)
    except PasskeyError as error:
        append(Event(Action.SIGNATURE_FAILED, "study", study.pk, study.pk), request.user)
        raise ReadingError("wrong_password", str(error)) from error


def _purpose(study_id: uuid.UUID) -> str:
    return f"sign {study_id}"
