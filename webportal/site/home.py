"""The start page."""

from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_safe

from webportal.accounts.models import Role
from webportal.accounts.roles import SignedInRequest, allow

START_PAGES = [
    (Role.RADIOLOGIST, "review:worklist"),
    (Role.UPLOADER, "intake:batches"),
    (Role.IT, "operations:queue"),
    (Role.AUDITOR, "audit:trail"),
    (Role.REFERRER, "reports:list"),
]


@allow()
@require_safe
def home(request: SignedInRequest) -> HttpResponse:
    """Send each person to the page where their work starts."""
    for role, page in START_PAGES:
        if request.user.has_role(role):
            return redirect(page)
    return redirect("accounts:tokens")
