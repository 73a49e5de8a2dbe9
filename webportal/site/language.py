"""Language selection: the one chosen in the page, else the browser's, else English."""

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext_noop, ngettext_lazy
from django.views.decorators.http import require_POST
from django.views.i18n import set_language

from webportal.accounts.services import remember_language

# Programs read these, and compare what they read: English, whatever the caller's browser prefers.
FOR_PROGRAMS = ("/api/", "/metrics", "/health/")

# Django spells the units of sizes out, where every text of these pages says MB.
ngettext_lazy("%(size)d byte", "%(size)d bytes")
gettext_noop("%s KB")
gettext_noop("%s MB")
gettext_noop("%s GB")
gettext_noop("%s TB")


@require_POST
@login_not_required
def choose(request: HttpRequest) -> HttpResponse:
    """Keep the choice in a cookie, and with the person where one is signed in; then go back.

    Django's own view checks the language and where it is told to go back to.
    """
    response = set_language(request)
    chosen = response.cookies.get(settings.LANGUAGE_COOKIE_NAME)
    if chosen is not None and request.user.is_authenticated:
        remember_language(request.user, chosen.value)
    return response


class LanguageMiddleware(LocaleMiddleware):
    """Django's choice of the language, for people's pages alone."""

    def process_request(self, request: HttpRequest) -> None:
        """Speak the language of whoever asks; English to programs."""
        if request.path.startswith(FOR_PROGRAMS):
            translation.activate(settings.LANGUAGE_CODE)
            request.LANGUAGE_CODE = settings.LANGUAGE_CODE
        else:
            super().process_request(request)

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """Tell caches what a page depends on; what programs get depends on no language."""
        if request.path.startswith(FOR_PROGRAMS):
            return response
        # The choice is in a cookie, which Django's own middleware does not say.
        patch_vary_headers(response, ["Cookie"])
        return super().process_response(request, response)
