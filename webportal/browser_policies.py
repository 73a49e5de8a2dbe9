"""What browsers may do with the portal's responses, besides the Content-Security-Policy.

Cross-Origin-Opener-Policy is Django's own (SecurityMiddleware).
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

# Features that no page uses, so that no script can use them either.
_UNUSED_FEATURES = (
    "accelerometer",
    "bluetooth",
    "camera",
    "display-capture",
    "geolocation",
    "gyroscope",
    "hid",
    "magnetometer",
    "microphone",
    "midi",
    "payment",
    "serial",
    "usb",
    "xr-spatial-tracking",
)
_POLICIES = {
    "Permissions-Policy": ", ".join(f"{feature}=()" for feature in _UNUSED_FEATURES),
    # Other sites cannot embed anything. Viewers in DICOMWEB_ORIGINS can: CORS applies to them,
    # and this header only to requests without it.
    "Cross-Origin-Resource-Policy": "same-origin",
}


def add_browser_policies(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Add the headers to every response, static files and preflights included."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        for name, policy in _POLICIES.items():
            response.headers[name] = policy
        return response

    return middleware
