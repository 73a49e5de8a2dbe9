"""Reading preferences."""

from django.conf import settings
from django.contrib import messages
from django.db import models
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from webportal.accounts.models import Role, User
from webportal.accounts.roles import SignedInRequest, allow

RESULTS_ARE_OPEN = "results_are_open"


class ReadingPreference(models.Model):
    """What a reader has chosen; without a row it is what the fields' defaults say."""

    reader = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="reading_preference",
    )
    reads_first = models.BooleanField(
        default=False,
        help_text="The model's result stays closed until the reader opens it or has signed.",
    )

    has_shortcuts = models.BooleanField(
        default=True,
        help_text="Single characters typed on the keyboard act in the worklist and the viewer.",
    )

    def __str__(self) -> str:
        return f"Reading preference of {self.reader_id}"


def reads_first(reader: User) -> bool:
    """Whether this reader wants to read before seeing the model's result."""
    return ReadingPreference.objects.filter(reader=reader, reads_first=True).exists()


def has_shortcuts(reader: User) -> bool:
    """Whether single characters act for this reader (WCAG 2.1.4 wants a way to say no)."""
    return not ReadingPreference.objects.filter(reader=reader, has_shortcuts=False).exists()


@allow(Role.RADIOLOGIST)
@require_POST
def choose_shortcuts(request: SignedInRequest) -> HttpResponse:
    """Remember whether single characters act, and go back to the page of the choice."""
    chosen = request.POST.get("shortcuts") == "on"
    ReadingPreference.objects.update_or_create(
        reader=request.user, defaults={"has_shortcuts": chosen}
    )
    if chosen:
        messages.success(request, _("Keyboard shortcuts are on."))
    else:
        messages.success(
            request, _("Keyboard shortcuts are off: no single character does anything.")
        )
    return _back(request)


@allow(Role.RADIOLOGIST)
@require_POST
def open_results(request: SignedInRequest) -> HttpResponse:
    """Open the results of what is unread, or close them again, for the rest of this session."""
    request.session[RESULTS_ARE_OPEN] = request.POST.get("open") == "on"
    return _back(request)


def results_are_open(request: SignedInRequest) -> bool:
    """Whether this reader has opened the results of what is unread, for this session."""
    return bool(request.session.get(RESULTS_ARE_OPEN, False))


def closes_results(request: SignedInRequest) -> bool:
    """Whether the pages keep results closed that this reader's own read comes before."""
    return reads_first(request.user) and not results_are_open(request)


@allow(Role.RADIOLOGIST)
@require_POST
def choose_reads_first(request: SignedInRequest) -> HttpResponse:
    """Remember the choice and go back to the page that it was made on."""
    chosen = request.POST.get("reads_first") == "on"
    ReadingPreference.objects.update_or_create(
        reader=request.user, defaults={"reads_first": chosen}
    )
    if chosen:
        messages.success(
            request, _("From now on you read first: the result waits until you open it.")
        )
    else:
        messages.success(request, _("From now on the model's result is shown at once."))
    return _back(request)


def _back(request: SignedInRequest) -> HttpResponse:
    origin = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(origin, allowed_hosts={request.get_host()})
    return redirect(origin if is_ours else "review:worklist")
