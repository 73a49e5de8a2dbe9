"""Language selection: the language chosen on the page, else the browser's, else English."""

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext_noop, ngettext_lazy

from webportal.programs import ROOTS

# Read by programs, which compare texts: always English.
FOR_PROGRAMS = (*ROOTS, "/metrics", "/health/")

# Django spells out the units of sizes; the texts of these pages say MB.
ngettext_lazy("%(size)d byte", "%(size)d bytes")
gettext_noop("%s KB")
gettext_noop("%s MB")
gettext_noop("%s GB")
gettext_noop("%s TB")


def language_of(request: HttpRequest) -> str:
    """The language of the response to a request: the user's; English for programs."""
    if request.path.startswith(FOR_PROGRAMS):
        return settings.LANGUAGE_CODE
    return translation.get_language_from_request(request)


class LanguageMiddleware(LocaleMiddleware):
    """Django's choice of the language, but only for pages that people see."""

    def process_request(self, request: HttpRequest) -> None:
        """Use the language of the user, and English for programs."""
        if request.path.startswith(FOR_PROGRAMS):
            translation.activate(settings.LANGUAGE_CODE)
            request.LANGUAGE_CODE = settings.LANGUAGE_CODE
        else:
            super().process_request(request)

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """Tell caches what a page depends on; responses to programs depend on no language."""
        if request.path.startswith(FOR_PROGRAMS):
            return response
        # The choice is in a cookie, which Django's own middleware does not declare.
        patch_vary_headers(response, ["Cookie"])
        return super().process_response(request, response)
