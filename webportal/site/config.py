"""Apps, middleware, templates and the Content-Security-Policy, for the settings."""

from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF

INSTALLED_APPS = [
    "webportal.accounts",
    "webportal.access",
    "webportal.audit",
    "webportal.records",
    "webportal.orders",
    "webportal.intake",
    "webportal.inference",
    "webportal.notifications",
    "webportal.review",
    "webportal.upkeep",
    "webportal.backups",
    "webportal.network",
    "webportal.auditexport",
    "webportal.delivery",
    "webportal.research",
    "webportal.oversight",
    "webportal.retention",
    "webportal.erasure",
    "webportal.operations",
    "webportal.auditing",
    "webportal.api",
    "webportal.dicomweb",
    "webportal.demo",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.staticfiles",
    "csp",
    "django_filters",
    "django_vite",
    "drf_spectacular",
    "knox",
    "rest_framework",
]

MIDDLEWARE = [
    # The first two, so that they measure all the others.
    "webportal.tracing.requests.trace_requests",
    "webportal.operations.request_times.measure",
    "webportal.browser_policies.add_browser_policies",
    "django.middleware.security.SecurityMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "webportal.caching.keep_nothing",
    "webportal.access.middleware.record_access",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "webportal.site.language.LanguageMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "webportal.accounts.middleware.skip_auth_for_health",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "webportal.site.errors.render_405_page",
    "webportal.accounts.oidc.sessions.refresh_claims_when_due",
    "webportal.accounts.directory.people.refresh_sessions",
    "webportal.site.lock.refuse_while_locked",
    "webportal.accounts.middleware.SignInMiddleware",
    "webportal.accounts.middleware.require_own_password",
    "webportal.accounts.middleware.require_second_factor",
    # The last one: those before it may change a person's departments.
    "webportal.records.visibility.keep_scopes",
]

# The comparisons of records with the trail, provided by the apps.
AUDIT_CHECKS = [
    "webportal.access.seals.CHECKS",
    "webportal.accounts.reconciliation.CHECKS",
    "webportal.records.reconciliation.CHECKS",
    "webportal.inference.reconciliation.CHECKS",
    "webportal.orders.reconciliation.CHECKS",
    "webportal.review.reads.reconciliation.CHECKS",
    "webportal.review.emergency.reconciliation.CHECKS",
    "webportal.retention.reconciliation.CHECKS",
]

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


def vite(static: Path) -> dict[str, Any]:
    """The value of DJANGO_VITE, by the folder of static files."""
    manifest = static / "dist" / ".vite" / "manifest.json"
    return {"default": {"static_url_prefix": "dist", "manifest_path": manifest}}


def secret_keys(lines: str) -> list[str]:
    """Keys that are given one per line, each also as a file that ends with a line feed has it."""
    keys = [key for key in lines.splitlines() if key.strip()]
    return [variant for key in keys for variant in (key, f"{key}\n")]
