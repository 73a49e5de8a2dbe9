"""Sign-in through the identity provider, and back-channel logout."""

import logging

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from webportal.accounts import locking, provider_sessions
from webportal.accounts.oidc import people, provider
from webportal.accounts.oidc import sessions as federated
from webportal.accounts.provider_sessions import NOT_SIGNED_IN, ProviderSignIn, show_refusal
from webportal.logs import warn_of

_TARGET = "oidc_target"
LONGEST_TARGET = 2000

logger = logging.getLogger(__name__)


@login_not_required
@require_safe
def start(request: HttpRequest) -> HttpResponse:
    """Redirect the browser to the provider."""
    if not provider.is_offered():
        raise Http404
    # Imported here and below, because Authlib would take 3 MB in portals without a provider, too.
    from webportal.accounts.oidc import client

    target = request.GET.get("next", "")
    # Anybody can have a session stored.
    request.session[_TARGET] = target if len(target) <= LONGEST_TARGET else ""
    try:
        # Users who are signed in already come from the page that asks them to confirm who they are.
        return client.redirect_to_provider(
            request,
            federated.callback_address(request),
            reauthenticate=request.user.is_authenticated
            or provider_sessions.was_left_locked(request),
        )
    except provider.ProviderUnreachableError:
        return _unreachable(request)


@login_not_required
@require_safe
def callback(request: HttpRequest) -> HttpResponse:
    """Sign in the user returned by the provider."""
    if not provider.is_offered():
        raise Http404
    target = request.session.pop(_TARGET, None)
    if target is None:
        # No sign-in was started here: anonymous clients must not be able to fill the trail.
        return show_refusal(request, str(NOT_SIGNED_IN))
    try:
        return provider_sessions.begin(
            request,
            lambda: _sign_in(request),
            target,
            reauthenticated=request.user.is_authenticated,
            was_locked=locking.is_locked(request.session),
            left_locked=provider_sessions.was_left_locked(request),
        )
    except provider.ProviderUnreachableError:
        return _unreachable(request)


def _sign_in(request: HttpRequest) -> ProviderSignIn:
    from webportal.accounts.oidc import client

    verified = client.claims_of_callback(request)
    return ProviderSignIn(
        people.person_of(verified.claims),
        federated.session_data(verified),
        verified.authenticated_at,
    )


def _unreachable(request: HttpRequest) -> HttpResponse:
    error = _("The identity provider does not respond. Try again in a moment.")
    return show_refusal(request, error, status=503)


@csrf_exempt
@login_not_required
@never_cache
@require_POST
def back_channel_logout(request: HttpRequest) -> HttpResponse:
    """End sessions at the provider's request, authenticated by the token's signature."""
    if not provider.is_offered():
        raise Http404
    from webportal.accounts.oidc import logout

    try:
        logout.log_out(request.POST.get("logout_token", ""))
    except logout.LogoutTokenError as error:
        warn_of(logger, request, "logout token refused: %r", str(error))
        problem = {"error": "invalid_request", "error_description": str(error)}
        return JsonResponse(problem, status=400)
    return HttpResponse(status=200)
