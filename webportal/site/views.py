"""The start page and the choice of language."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe
from django.views.i18n import set_language

from webportal.accounts.departments import NO_DEPARTMENT, departments_of
from webportal.accounts.models import Role
from webportal.accounts.role_requests import open_request_of
from webportal.accounts.roles import ROLES_OF_ALL_DEPARTMENTS, SignedInRequest, allow
from webportal.accounts.services import remember_language

START_PAGES = [
    (Role.RADIOLOGIST, "review:worklist"),
    (Role.UPLOADER, "intake:batches"),
    (Role.IT, "operations:queue"),
    (Role.AUDITOR, "audit:trail"),
    (Role.REFERRER, "reports:list"),
    (Role.RESEARCHER, "research:exports"),
]


@allow()
@require_safe
def home(request: SignedInRequest) -> HttpResponse:
    """Send each person to the page where their work starts.

    Those whose role is of use only in a department are told there if they belong to none; the
    worklist says it to radiologists. Everybody is told which of their roles wait for approval.
    """
    is_told_here = not request.user.has_role(Role.RADIOLOGIST)
    needs_one = bool(set(request.user.roles) - set(ROLES_OF_ALL_DEPARTMENTS))
    if is_told_here and needs_one and not departments_of(request.user).exists():
        messages.warning(request, NO_DEPARTMENT)
    waiting = open_request_of(request.user)
    if waiting is not None:
        words = _("Waiting until another member of hospital IT approves: {roles}.")
        messages.info(request, words.format(roles=", ".join(waiting.role_labels)))
    for role, page in START_PAGES:
        if request.user.has_role(role):
            return redirect(page)
    return redirect("accounts:tokens")


@require_POST
@login_not_required
def choose_language(request: HttpRequest) -> HttpResponse:
    """Store the choice in a cookie and, if somebody is signed in, with their account; then go back.

    Django's own view validates the language and the address to go back to.
    """
    response = set_language(request)
    chosen = response.cookies.get(settings.LANGUAGE_COOKIE_NAME)
    if chosen is not None and request.user.is_authenticated:
        remember_language(request.user, chosen.value)
    return response
