"""Django, security headers, the REST API, pages and languages."""

from webportal.api import framework
from webportal.settings.environment import BASE_DIR, env
from webportal.site import config as site

DEBUG = env.bool("CHESTLINE_DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY")
# Earlier ones, one per line: what they signed is still accepted.
SECRET_KEY_FALLBACKS = site.secret_keys(env.str("SECRET_KEY_FALLBACKS", default=""))
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = site.INSTALLED_APPS
MIDDLEWARE = site.MIDDLEWARE
ROOT_URLCONF = "webportal.site.urls"
WSGI_APPLICATION = "webportal.wsgi.application"

TEMPLATES = site.templates(BASE_DIR / "webportal" / "templates")

# ── Security headers ────────────────────────────────────────────────────────────────────────────
CONTENT_SECURITY_POLICY = site.CONTENT_SECURITY_POLICY
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
# One switch for a portal reached over HTTPS, because secure cookies are never sent over the plain
# HTTP of a single machine.
BEHIND_HTTPS = env.bool("BEHIND_HTTPS", default=False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BEHIND_HTTPS
# How many proxies in front append their client to X-Forwarded-For.
PROXY_COUNT = env.int("PROXY_COUNT", default=1 if BEHIND_HTTPS else 0)
if BEHIND_HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 31_536_000

# ── API ─────────────────────────────────────────────────────────────────────────────────────────
REST_FRAMEWORK = framework.REST_FRAMEWORK
SPECTACULAR_SETTINGS = framework.SPECTACULAR_SETTINGS
KNOX_TOKEN_MODEL = "accounts.ApiToken"
# Its own table is never created.
MIGRATION_MODULES = {"knox": None}
# How many tokens a user may have, and their maximum lifetime in days.
API_TOKENS_PER_PERSON = env.int("API_TOKENS_PER_PERSON", default=10)
API_TOKEN_DAYS = env.int("API_TOKEN_DAYS", default=365)

# ── Pages ───────────────────────────────────────────────────────────────────────────────────────
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "webportal" / "static"]
WHITENOISE_USE_FINDERS = True
# Vite puts a hash of a file's content into its name.
WHITENOISE_IMMUTABLE_FILE_TEST = r"^/static/dist/assets/.+-[\w-]{8}\.\w+$"
DJANGO_VITE = site.vite(BASE_DIR / "webportal" / "static")
# British English, because day and month of an American date would be mistaken for one another.
LANGUAGE_CODE = "en-gb"
LANGUAGES = [("en-gb", "English"), ("ne", "नेपाली")]
LOCALE_PATHS = [BASE_DIR / "webportal" / "locale"]
FORMAT_MODULE_PATH = "webportal.formats"
# The choice belongs to the browser, and outlasts sessions and the browser's closing.
LANGUAGE_COOKIE_AGE = 365 * 86_400
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_SECURE = BEHIND_HTTPS
TIME_ZONE = env.str("TIME_ZONE", default="UTC")
USE_TZ = True
