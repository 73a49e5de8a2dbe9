"""Endpoints that offer and perform taking a signature back."""

import time
import uuid
from datetime import UTC, datetime
from typing import Any

from django.contrib import messages
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from webportal.accounts.models import Role
from webportal.accounts.roles import SignedInRequest, allow
from webportal.database.clock import clock
from webportal.labels import label_of
from webportal.review.models import Pneumonia, Read
from webportal.review.reads.refusals import ReadingError
from webportal.review.reads.standing import TAKE_BACK_PERIOD, final_at
from webportal.review.reads.taking_back import take_back

OFFER = "signed_just_now"


def offer(session: SessionBase, read: Read) -> None:
    """Offer taking this signature back on the following pages."""
    session[OFFER] = {
        "read": str(read.pk),
        "at": time.time(),
        "study": str(read.study_id),
        "pneumonia": read.pneumonia,
    }


def offered(request: HttpRequest) -> dict[str, Any]:
    """For every page: the read just signed, what it says, when, and the seconds left; or nothing.

    Kept in the session, so that no page has to query the database. It does not name the patient:
    on the page of the next study that would be a wrong name.
    """
    session = getattr(request, "session", None)
    signed = session.get(OFFER) if session is not None else None
    if signed is None:
        return {}
    left = round(TAKE_BACK_PERIOD.total_seconds() - (time.time() - signed["at"]))
    if left <= 0:
        return {}
    finding = signed.get("pneumonia")
    return {
        "take_back": {
            "read": signed["read"],
            "seconds": left,
            "study": signed.get("study"),
            "finding": label_of(Pneumonia, finding) if finding else _("Not interpretable"),
            "signed_at": datetime.fromtimestamp(signed["at"], UTC),
        }
    }


def offered_for(own: Read | None) -> dict[str, Any]:
    """For the page of a study signed by this reader: the offer for that signature.

    With several signatures in a row, each study page offers its own. Empty if this person has not
    signed the study: the general offer then applies.
    """
    final = final_at(own) if own else None
    if own is None or final is None:
        return {}
    left = int((final - clock()).total_seconds())
    return {"take_back": {"read": str(own.pk), "seconds": left} if left > 0 else None}


@allow(Role.RADIOLOGIST)
@require_POST
def take_back_read(request: SignedInRequest, read_id: uuid.UUID) -> HttpResponse:
    """Take one's own signature back and open the study with the read as a draft."""
    read = get_object_or_404(Read.objects.visible_to(request.user), pk=read_id, reader=request.user)
    try:
        take_back(read, request.user)
    except ReadingError as error:
        messages.warning(request, str(error))
    else:
        messages.success(
            request, _("Your signature is taken back. What you had signed is your draft again.")
        )
    request.session.pop(OFFER, None)
    return redirect("review:study", read.study_id)
