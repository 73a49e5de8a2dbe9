"""Templates and the Content-Security-Policy, for the settings."""

from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:", "blob:"],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "report-uri": ["/csp-reports"],
    }
}
CONTEXT_PROCESSORS = [
    "django.template.context_processors.request",
    "django.contrib.auth.context_processors.auth",
    "django.contrib.messages.context_processors.messages",
    "webportal.site.navigation.navigation",
    "webportal.version.chestline_version",
    "webportal.notifications.context.unread_notifications",
    "webportal.review.study.take_back_views.offered",
    "webportal.review.emergency.views.running",
]


def templates(folder: Path) -> list[dict[str, Any]]:
    """The value of TEMPLATES: the templates of all apps are in one folder."""
    cached = (
        "django.template.loaders.cached.Loader",
        ["django.template.loaders.filesystem.Loader"],
    )
    return [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "DIRS": [folder],
            "APP_DIRS": False,
            "OPTIONS": {"context_processors": CONTEXT_PROCESSORS, "loaders": [cached]},
        }
    ]
