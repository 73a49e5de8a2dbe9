"""Sign-in through the identity provider by SAML, and Single Logout.

The provider's response is a cross-site POST, for which browsers do not send the session cookie
(SameSite=Lax). A separate cookie, signed and valid for ten minutes, identifies the request that the
browser started.
"""

import logging

from django.contrib.auth.decorators import login_not_required
from django.core import signing
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from webportal.accounts import locking, provider_sessions
from webportal.accounts.federation import RefusedByProviderError
from webportal.accounts.provider_sessions import NOT_SIGNED_IN, ProviderSignIn, show_refusal
from webportal.accounts.saml import people, provider
from webportal.accounts.sign_in import safe_target
from webportal.logs import warn_of

COOKIE = "saml_request"
PATIENCE_SECONDS = 600
_SALT = "webportal.accounts.saml"
_LOGOUT_PARAMETERS = ("SAMLRequest", "RelayState", "SigAlg", "Signature")

logger = logging.getLogger(__name__)


@login_not_required
@never_cache
@require_safe
def start(request: HttpRequest) -> HttpResponse:
    """Redirect the browser to the provider."""
    _require_provider()
    target = safe_target(request, request.GET.get("next", ""))
    # Users who are signed in already come from the page that asks them to confirm who they are.
    is_signed_in = request.user.is_authenticated
    left_locked = provider_sessions.was_left_locked(request)
    address, request_id = provider.authentication_request(
        reauthenticate=is_signed_in or left_locked
    )
    response = HttpResponseRedirect(address)
    # SameSite=None requires Secure; browsers send such a cookie to localhost without HTTPS, too.
    response.set_cookie(
        COOKIE,
        signing.dumps(
            [request_id, target, is_signed_in, locking.is_locked(request.session), left_locked],
            salt=_SALT,
        ),
        max_age=PATIENCE_SECONDS,
        path=provider.PATH,
        secure=True,
        httponly=True,
        samesite="None",
    )
    return response


@csrf_exempt
@login_not_required
@never_cache
@require_POST
def consume(request: HttpRequest) -> HttpResponse:
    """Sign in the user of the provider's response (Assertion Consumer Service)."""
    _require_provider()
    response = _consume(request)
    response.delete_cookie(COOKIE, path=provider.PATH, samesite="None")
    return response


def _consume(request: HttpRequest) -> HttpResponse:
    try:
        request_id, target, reauthenticate, was_locked, left_locked = signing.loads(
            request.COOKIES.get(COOKIE, ""), salt=_SALT, max_age=PATIENCE_SECONDS
        )
    except (signing.BadSignature, ValueError):
        # No sign-in was started here: anonymous clients must not be able to fill the trail.
        return show_refusal(request, str(NOT_SIGNED_IN))
    return provider_sessions.begin(
        request,
        lambda: _sign_in(request_id, request.POST.get("SAMLResponse", "")),
        target,
        reauthenticated=reauthenticate,
        was_locked=was_locked,
        left_locked=left_locked,
    )


def _sign_in(request_id: str, encoded: str) -> ProviderSignIn:
    assertion = provider.verified_assertion(request_id, encoded)
    return ProviderSignIn(
        people.person_of(assertion), people.session_data(assertion), assertion.authenticated_at
    )


@login_not_required
@never_cache
@require_safe
def log_out(request: HttpRequest) -> HttpResponse:
    """End sessions at the provider's signed request (Single Logout, HTTP-Redirect binding)."""
    _require_provider()
    query = {name: request.GET[name] for name in _LOGOUT_PARAMETERS if name in request.GET}
    try:
        # With a repeated parameter, the value that was signed may not be the one that is read.
        if any(len(request.GET.getlist(name)) > 1 for name in query):
            raise RefusedByProviderError("a parameter is repeated")
        asked = provider.logout_request(query, request.META.get("QUERY_STRING", ""))
        people.sign_out(asked)
    except RefusedByProviderError as error:
        warn_of(logger, request, "logout by the identity provider refused: %r", str(error))
        text = _("The identity provider’s request to sign out is not valid.")
        return show_refusal(request, text, status=400)
    return HttpResponseRedirect(asked.response_address)


@login_not_required
@require_safe
def metadata(request: HttpRequest) -> HttpResponse:
    """Our metadata as a service provider, for the identity provider."""
    _require_provider()
    return HttpResponse(provider.own_metadata(), content_type="application/samlmetadata+xml")


def _require_provider() -> None:
    if not provider.is_offered():
        raise Http404
