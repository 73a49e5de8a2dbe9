"""Language selection: the one chosen in the page, else the browser's, else English."""

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext_noop, ngettext_lazy

# Programs read these, and compare what they read: English, whatever the caller's browser prefers.
FOR_PROGRAMS = ("/api/", "/metrics", "/health/")

# Django spells the units of sizes out, where every text of these pages says MB.
ngettext_lazy("%(size)d byte", "%(size)d bytes")
gettext_noop("%s KB")
gettext_noop("%s MB")
gettext_noop("%s GB")
gettext_noop("%s TB")


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
