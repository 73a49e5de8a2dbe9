"""Sign-in through the identity provider, and back-channel logout."""

import logging

from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from webportal.access.shown import sign_in_tried
from webportal.accounts.devices import remember_device
from webportal.accounts.federation import FederatedRefusal
from webportal.accounts.oidc import logout, people, provider
from webportal.accounts.oidc import sessions as federated
from webportal.accounts.sign_in import BACKEND, safe_target, set_sign_in_details
from webportal.audit.models import Action
from webportal.audit.trail import Event, append

_TARGET = "oidc_target"

logger = logging.getLogger(__name__)


@login_not_required
@require_safe
def start(request: HttpRequest) -> HttpResponse:
    """Redirect the browser to the provider."""
    if not provider.is_offered():
        raise Http404
    request.session[_TARGET] = request.GET.get("next", "")
    try:
        # Whoever is signed in already comes from the page that wants to know that it is them.
        return provider.redirect_to_it(
            request, federated.callback_address(request), anew=request.user.is_authenticated
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
        return _show_refusal(request, _("The identity provider did not sign you in. Try again."))
    try:
        answer = provider.answer_to(request)
        user = people.person_of(answer.claims)
    except provider.ProviderUnreachableError:
        return _unreachable(request)
    except provider.RefusedByProviderError as error:
        logger.warning("sign-in by the identity provider refused: %r", str(error))
        return _refused(request, _("The identity provider did not sign you in. Try again."))
    except FederatedRefusal as refusal:
        return _refused(request, str(refusal))
    except ValidationError as error:
        return _refused(request, " ".join(error.messages))
    if request.user.is_authenticated and not answer.authenticated_at:
        logger.warning("ID tokens have no auth_time, so nobody can add a passkey: see sign-in.md")
    set_sign_in_details(request, identity_provider=True)
    login(request, user, BACKEND)
    federated.begin(request.session, answer)
    response = HttpResponseRedirect(safe_target(request, target))
    remember_device(request, response, user)
    return response


def _unreachable(request: HttpRequest) -> HttpResponse:
    error = _("The identity provider does not respond. Try again in a moment.")
    return render(request, "accounts/sign_in_refused.html", {"error": error}, status=503)


def _refused(request: HttpRequest, error: str) -> HttpResponse:
    detail = {"identity_provider": True}
    sign_in_tried(request, people.PROVIDER)
    append(Event(Action.SIGN_IN_FAILED, "user", "", detail=detail), people.PROVIDER)
    return _show_refusal(request, error)


def _show_refusal(request: HttpRequest, error: str) -> HttpResponse:
    return render(request, "accounts/sign_in_refused.html", {"error": error}, status=422)


@csrf_exempt
@login_not_required
@never_cache
@require_POST
def back_channel_logout(request: HttpRequest) -> HttpResponse:
    """End sessions at the provider's request, authenticated by the token's signature."""
    if not provider.is_offered():
        raise Http404
    try:
        logout.log_out(request.POST.get("logout_token", ""))
    except logout.LogoutTokenError as error:
        logger.warning("logout token refused: %s", error)
        answer = {"error": "invalid_request", "error_description": str(error)}
        return JsonResponse(answer, status=400)
    return HttpResponse(status=200)
