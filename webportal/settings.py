"""Settings of the portal and of the workers, read from the environment (twelve-factor).

`make run` sets every variable for a single machine; docs/deployment/settings.md lists them all.
"""

import os
from pathlib import Path
from typing import Any

import django_stubs_ext
import environ

from webportal import logs
from webportal.accounts import config as accounts
from webportal.api import framework
from webportal.auditexport.address import bearer_token, fhir_address, syslog_address
from webportal.database.config import address_of, database_from_url
from webportal.site import config as site
from webportal.storage import storage_from_url

# Allows generic classes such as ModelForm[User] to be subscripted, as the type checker expects.
django_stubs_ext.monkeypatch()

env = environ.FileAwareEnv()

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = Path(env.str("CHESTLINE_VAR", default=str(BASE_DIR / "var")))

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

# ── Data ────────────────────────────────────────────────────────────────────────────────────────
# The role of DATABASE_URL need not own the tables: `manage.py prepare` alone connects as the owner.
# A file that has it may end with a line feed.
DATABASE_URL = env.str("DATABASE_URL").strip()
DATABASE_OWNER_URL = env.str("DATABASE_OWNER_URL", default="").strip()
if DATABASE_OWNER_URL:
    address_of(DATABASE_OWNER_URL, "DATABASE_OWNER_URL")
# A statement that takes longer is cancelled; 0 for never. The portal sets 30 (webportal.wsgi): no
# page waits longer for a lock or a slow disk, while workers and commands may take their time.
DATABASES = {
    "default": database_from_url(DATABASE_URL, env.int("DATABASE_STATEMENT_SECONDS", default=0))
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

STORAGES = {
    "default": storage_from_url(env.str("STORAGE_URL", default=f"file://{VAR_DIR}/storage")),
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

# Where encrypted backups go, their recipients (public age keys), and the secret key for reading
# them, needed only for restoring.
BACKUP_REPOSITORY = env.str("BACKUP_REPOSITORY", default="")
BACKUP_RECIPIENTS = env.list("BACKUP_RECIPIENTS", default=[])
BACKUP_IDENTITY = env.str("BACKUP_IDENTITY", default="")
# How often the scheduler makes a backup, 0 for never; hospital IT is alerted when the last is
# older.
BACKUP_EVERY_HOURS = env.float("BACKUP_EVERY_HOURS", default=0)
BACKUP_MAX_AGE_HOURS = env.float("BACKUP_MAX_AGE_HOURS", default=48)
# How often the scheduler verifies the newest backup, 0 for never.
BACKUP_VERIFY_HOURS = env.float("BACKUP_VERIFY_HOURS", default=168)
# Older ones are deleted after the next complete one; 0 keeps all.
BACKUP_KEEP_DAYS = env.int("BACKUP_KEEP_DAYS", default=0)
# Where the PostgreSQL of a single machine copies its write-ahead log for point-in-time recovery;
# `make run` sets it with ARCHIVE_WAL.
WAL_OUTBOX = env.str("WAL_OUTBOX", default="")
if BACKUP_REPOSITORY:
    STORAGES["backups"] = storage_from_url(BACKUP_REPOSITORY, "BACKUP_REPOSITORY")

# ── People ──────────────────────────────────────────────────────────────────────────────────────
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["webportal.accounts.backends.ThrottledBackend"]
LOGIN_URL = "accounts:sign-in"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "accounts:sign-in"
PASSWORD_HASHERS = accounts.PASSWORD_HASHERS
AUTH_PASSWORD_VALIDATORS = accounts.PASSWORD_VALIDATORS
# Separation of duties (webportal.accounts.separation): always, never, or auto, which enforces it as
# soon as there is a second administrator.
ROLE_SEPARATION = env.str("ROLE_SEPARATION", default="auto")
if ROLE_SEPARATION not in ("always", "never", "auto"):
    raise environ.ImproperlyConfigured("ROLE_SEPARATION must be always, never or auto.")
# Roles that require a second factor; without one, their holders can do nothing but add it.
REQUIRE_SECOND_FACTOR = env.list("REQUIRE_SECOND_FACTOR", default=[])
# Encrypts the secrets of authenticator apps: the first key encrypts, all of them decrypt.
SECOND_FACTOR_KEYS = env.list("SECOND_FACTOR_KEYS", default=[]) or [
    SECRET_KEY,
    *SECRET_KEY_FALLBACKS,
]
# Groups of the identity provider or directory, and the roles that they grant:
# readers=radiologist+coordinator,informatics=it.
GROUP_ROLES = accounts.names_by_group(env.dict("GROUP_ROLES", default={}))
# Groups and the departments that they grant, `*` for all of them: ward=Emergency+Surgery,chiefs=*.
GROUP_DEPARTMENTS = accounts.names_by_group(env.dict("GROUP_DEPARTMENTS", default={}))
# Whether accounts are created for everybody known there, or only people added by hospital IT can
# sign in.
CREATE_USERS = env.bool("CREATE_USERS", default=False)
GROUP_REFRESH_MINUTES = env.float("GROUP_REFRESH_MINUTES", default=1)
# For how long API tokens are accepted after the identity provider has last confirmed their owner, 0
# for until they expire.
API_TOKEN_CONFIRM_DAYS = env.int("API_TOKEN_CONFIRM_DAYS", default=30)
# The hospital's identity provider (OpenID Connect, webportal.accounts.oidc), if there is one.
OIDC_ISSUER = env.str("OIDC_ISSUER", default="")
OIDC_CLIENT_ID = env.str("OIDC_CLIENT_ID", default="")
OIDC_CLIENT_SECRET = env.str("OIDC_CLIENT_SECRET", default="")
OIDC_NAME = env.str("OIDC_NAME", default="your hospital account")
OIDC_SCOPES = env.list("OIDC_SCOPES", default=["openid", "profile", "email"])
OIDC_USERNAME_CLAIM = env.str("OIDC_USERNAME_CLAIM", default="preferred_username")
OIDC_GROUPS_CLAIM = env.str("OIDC_GROUPS_CLAIM", default="groups")
# The same by SAML 2.0 (webportal.accounts.saml): the provider's metadata (XML), and the key and
# certificate (PEM) with which requests and logout responses are signed.
SAML_METADATA = env.str("SAML_METADATA", default="")
SAML_KEY = env.str("SAML_KEY", default="")
SAML_CERTIFICATE = env.str("SAML_CERTIFICATE", default="")
SAML_NAME = env.str("SAML_NAME", default="your hospital account")
SAML_USERNAME_ATTRIBUTE = env.str("SAML_USERNAME_ATTRIBUTE", default="")
SAML_FULL_NAME_ATTRIBUTE = env.str("SAML_FULL_NAME_ATTRIBUTE", default="displayName")
SAML_GROUPS_ATTRIBUTE = env.str("SAML_GROUPS_ATTRIBUTE", default="groups")
# The hospital's directory (LDAP, webportal.accounts.directory), if people sign in with it. The
# defaults fit Active Directory.
LDAP_URL = env.str("LDAP_URL", default="")
LDAP_CA_FILE = env.str("LDAP_CA_FILE", default="")
LDAP_BIND_DN = env.str("LDAP_BIND_DN", default="")
LDAP_BIND_PASSWORD = env.str("LDAP_BIND_PASSWORD", default="")
LDAP_PEOPLE_BASE = env.str("LDAP_PEOPLE_BASE", default="")
LDAP_PEOPLE_FILTER = env.str("LDAP_PEOPLE_FILTER", default=accounts.LDAP_PEOPLE_FILTER)
LDAP_NAME_ATTRIBUTE = env.str("LDAP_NAME_ATTRIBUTE", default="sAMAccountName")
LDAP_FULL_NAME_ATTRIBUTE = env.str("LDAP_FULL_NAME_ATTRIBUTE", default="displayName")
LDAP_ID_ATTRIBUTE = env.str("LDAP_ID_ATTRIBUTE", default="objectGUID")
LDAP_GROUP_BASE = env.str("LDAP_GROUP_BASE", default="")
LDAP_GROUP_FILTER = env.str("LDAP_GROUP_FILTER", default=accounts.LDAP_GROUP_FILTER)
# If off, only break-glass users can sign in by password or passkey.
LOCAL_SIGN_IN = env.bool("LOCAL_SIGN_IN", default=True)
BREAK_GLASS_USERS = env.list("BREAK_GLASS_USERS", default=[])
# How many minutes an emergency access to a patient of another department lasts, and who is
# notified of it: the heads of the patient's departments, auditors, hospital IT.
EMERGENCY_ACCESS_MINUTES = env.int("EMERGENCY_ACCESS_MINUTES", default=60)
EMERGENCY_ALERTS = env.list("EMERGENCY_ALERTS", default=["heads", "auditor"])
# After this many days without a review, auditors are reminded of an access.
EMERGENCY_REVIEW_DAYS = env.int("EMERGENCY_REVIEW_DAYS", default=7)
# How long a one-time password is valid.
ONE_TIME_PASSWORD_HOURS = env.int("ONE_TIME_PASSWORD_HOURS", default=72)
# How many sign-in passwords each portal process hashes at once.
PASSWORD_HASHES_AT_ONCE = env.int(
    "PASSWORD_HASHES_AT_ONCE", default=max(1, (os.cpu_count() or 1) // 2)
)
SESSION_ENGINE = "webportal.accounts.sessions"
# A session ends when the browser is closed, and after this time at the latest.
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SESSION_COOKIE_AGE = env.int("SESSION_SECONDS", default=12 * 3600)

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

# ── Audit trail ─────────────────────────────────────────────────────────────────────────────────
AUDIT_KEY = env.str("AUDIT_KEY")
# Earlier keys, one per line, by which what they signed is verified.
AUDIT_OLD_KEYS = env.str("AUDIT_OLD_KEYS", default="")
AUDIT_ANCHOR_FILE = Path(env.str("AUDIT_ANCHOR_FILE", default=str(VAR_DIR / "audit" / "anchors")))
# Additional locations for the same anchors: a file, best on another host, and a syslog server.
AUDIT_ANCHOR_COPY = Path(copy) if (copy := env.str("AUDIT_ANCHOR_COPY", default="")) else None
AUDIT_ANCHOR_SYSLOG = env.str("AUDIT_ANCHOR_SYSLOG", default="")
# Where every entry is sent as a DICOM audit message: syslog+tls://host:port; PEM files.
AUDIT_EXPORT = syslog_address(env.str("AUDIT_EXPORT", default=""))
# Where every entry is sent as a FHIR AuditEvent: the base of the server; a bearer token.
AUDIT_EXPORT_FHIR = fhir_address(env.str("AUDIT_EXPORT_FHIR", default=""))
AUDIT_EXPORT_FHIR_TOKEN = bearer_token(env.str("AUDIT_EXPORT_FHIR_TOKEN", default=""))
AUDIT_EXPORT_CA = env.str("AUDIT_EXPORT_CA", default="")
AUDIT_EXPORT_CERTIFICATE = env.str("AUDIT_EXPORT_CERTIFICATE", default="")
AUDIT_EXPORT_KEY = env.str("AUDIT_EXPORT_KEY", default="")
AUDIT_EXPORT_LATE_MINUTES = env.int("AUDIT_EXPORT_LATE_MINUTES", default=15)
# How many days entries of the access log are kept, 0 for indefinitely; at least a year.
ACCESS_LOG_DAYS = env.int("ACCESS_LOG_DAYS", default=3653)
if 0 < ACCESS_LOG_DAYS < 366:
    raise environ.ImproperlyConfigured("ACCESS_LOG_DAYS must be 0 or at least 366.")
AUDIT_CHECKS = site.AUDIT_CHECKS

# ── Intake ──────────────────────────────────────────────────────────────────────────────────────
UPLOAD_MAX_BYTES = env.int("UPLOAD_MAX_BYTES", default=200 * 1024**2)
UPLOAD_MAX_ARCHIVE_BYTES = env.int("UPLOAD_MAX_ARCHIVE_BYTES", default=4 * 1024**3)
# How many ZIP files each portal process unpacks at once, and the time limit for each.
UPLOAD_ARCHIVES_AT_ONCE = env.int("UPLOAD_ARCHIVES_AT_ONCE", default=2)
UPLOAD_ARCHIVE_SECONDS = env.int("UPLOAD_ARCHIVE_SECONDS", default=15 * 60)
UPLOAD_MIN_FREE_BYTES = env.int("UPLOAD_MIN_FREE_BYTES", default=1024**3)
# How long unreferenced files stay in the trash.
STORAGE_TRASH_DAYS = env.int("STORAGE_TRASH_DAYS", default=30)
# If more files, or a larger share of the recorded images, would go within a day, removal pauses
# until hospital IT has reviewed it.
STORAGE_REMOVAL_FILES = env.int("STORAGE_REMOVAL_FILES", default=100)
STORAGE_REMOVAL_SHARE = env.float("STORAGE_REMOVAL_SHARE", default=0.02)
# The interval in days at which the scheduler compares all stored files with their checksums, 0 for
# never, and its maximum read rate in megabytes per second.
STORAGE_CHECK_DAYS = env.int("STORAGE_CHECK_DAYS", default=7)
STORAGE_CHECK_MEGABYTES = env.float("STORAGE_CHECK_MEGABYTES", default=5)
# The retention period in years after the examination or the last signature, 0 for none; the age
# that minors must have reached before their studies are due.
RETENTION_YEARS = env.int("RETENTION_YEARS", default=0)
RETENTION_MINORS_UNTIL = env.int("RETENTION_MINORS_UNTIL", default=0)
# How long the file of a research export is kept.
RESEARCH_EXPORT_DAYS = env.int("RESEARCH_EXPORT_DAYS", default=7)
# Where the portal's server spools request and response bodies: on disk, not in memory.
UPLOAD_TEMP_DIR = Path(env.str("UPLOAD_TEMP_DIR", default=str(VAR_DIR / "incoming")))
# How many requests are handled at once, how many uploads in addition, and how many files one user
# may send at the same time.
PORTAL_THREADS = env.int("PORTAL_THREADS", default=8)
UPLOADS_AT_ONCE = env.int("UPLOADS_AT_ONCE", default=4)
UPLOADS_PER_PERSON = env.int("UPLOADS_PER_PERSON", default=8)
FILE_UPLOAD_TEMP_DIR = None
FILE_UPLOAD_MAX_MEMORY_SIZE = 8 * 1024**2

# ── DICOM network ───────────────────────────────────────────────────────────────────────────────
# As what and where the receiver listens (manage.py receive_dicom).
DICOM_AE_TITLE = env.str("DICOM_AE_TITLE", default="CHESTLINE").strip(" ")
if not (DICOM_AE_TITLE.isascii() and 1 <= len(DICOM_AE_TITLE) <= 16 and "\\" not in DICOM_AE_TITLE):
    raise environ.ImproperlyConfigured("DICOM_AE_TITLE must be 1 to 16 ASCII characters.")
DICOM_ADDRESS = env.str("DICOM_ADDRESS", default="127.0.0.1")
DICOM_PORT = env.int("DICOM_PORT", default=11112)
# Where instances wait to be imported; on a local disk of the receiver.
DICOM_INBOX = Path(env.str("DICOM_INBOX", default=str(VAR_DIR / "dicom-inbox")))
# A study is imported once nothing more of it has arrived for this long.
DICOM_STUDY_QUIET_SECONDS = env.float("DICOM_STUDY_QUIET_SECONDS", default=10)
# Reports, key objects and presentation states: not accepted (refuse), or set aside (keep).
DICOM_OTHER_OBJECTS = env.str("DICOM_OTHER_OBJECTS", default="keep")
if DICOM_OTHER_OBJECTS not in ("refuse", "keep"):
    raise environ.ImproperlyConfigured("DICOM_OTHER_OBJECTS must be refuse or keep.")
DICOM_ASSOCIATIONS = env.int("DICOM_ASSOCIATIONS", default=10)
DICOM_ASSOCIATIONS_PER_NODE = env.int("DICOM_ASSOCIATIONS_PER_NODE", default=5)
DICOM_IDLE_SECONDS = env.float("DICOM_IDLE_SECONDS", default=60)
DICOM_ANSWER_SECONDS = env.float("DICOM_ANSWER_SECONDS", default=30)
# The maximum PDU length; larger ones cost memory, smaller ones time.
DICOM_PDU_BYTES = env.int("DICOM_PDU_BYTES", default=1024**2)
if not 4096 <= DICOM_PDU_BYTES <= 64 * 1024**2:
    raise environ.ImproperlyConfigured("DICOM_PDU_BYTES must be 4096 to 67108864.")
# PEM files: the receiver's certificate and key, and the CAs of client certificates.
DICOM_TLS_CERTIFICATE = env.str("DICOM_TLS_CERTIFICATE", default="")
DICOM_TLS_KEY = env.str("DICOM_TLS_KEY", default="")
DICOM_TLS_CLIENT_CA = env.str("DICOM_TLS_CLIENT_CA", default="")

# ── Orders (HL7 v2) ─────────────────────────────────────────────────────────────────────────────
# Where orders are received (manage.py receive_orders).
ORDERS_ADDRESS = env.str("ORDERS_ADDRESS", default="127.0.0.1")
ORDERS_PORT = env.int("ORDERS_PORT", default=2575)
ORDERS_MESSAGE_BYTES = env.int("ORDERS_MESSAGE_BYTES", default=1024**2)
ORDERS_CONNECTIONS = env.int("ORDERS_CONNECTIONS", default=20)
# How long a connection may be silent, and how long a message may take to arrive.
ORDERS_IDLE_SECONDS = env.float("ORDERS_IDLE_SECONDS", default=3600)
ORDERS_ANSWER_SECONDS = env.float("ORDERS_ANSWER_SECONDS", default=30)
# Orders without a study, and records of messages, are removed after this.
ORDERS_KEPT_DAYS = env.int("ORDERS_KEPT_DAYS", default=180)
# PEM files, as for the DICOM receiver.
ORDERS_TLS_CERTIFICATE = env.str("ORDERS_TLS_CERTIFICATE", default="")
ORDERS_TLS_KEY = env.str("ORDERS_TLS_KEY", default="")
ORDERS_TLS_CLIENT_CA = env.str("ORDERS_TLS_CLIENT_CA", default="")

# ── DICOMweb ────────────────────────────────────────────────────────────────────────────────────
# Viewers at these origins, such as https://viewer.hospital.example, may send requests from a
# browser, with a token: cookies are only for the portal's own pages.
CORS_ALLOWED_ORIGINS = env.list("DICOMWEB_ORIGINS", default=[])
CORS_URLS_REGEX = r"^/dicom-web/"
CORS_EXPOSE_HEADERS = ["Warning"]

# ── Delivery of results ─────────────────────────────────────────────────────────────────────────
# The name of the hospital in documents that leave the portal.
ORGANIZATION = env.str("ORGANIZATION", default="Hospital")
# How long a destination may take to respond, and the CA file that its certificate is checked with.
DELIVERY_ANSWER_SECONDS = env.float("DELIVERY_ANSWER_SECONDS", default=60)
DELIVERY_CA = env.str("DELIVERY_CA", default="")
# The FHIR identifier system of each issuer of Patient IDs.
FHIR_PATIENT_SYSTEMS = env.dict("FHIR_PATIENT_SYSTEMS", default={})
if not all(":" in system for system in FHIR_PATIENT_SYSTEMS.values()):
    raise environ.ImproperlyConfigured(
        "FHIR_PATIENT_SYSTEMS must be ISSUER=URI, such as HOSPITAL=http://hospital.example/mrn."
    )

# ── Queue and workers ───────────────────────────────────────────────────────────────────────────
BROKER_URL = env.str("BROKER_URL")
# A claim holds a batch of at most this many images for at most this long. The lease is far longer
# than a batch takes, so only a dead worker outlives it.
INFERENCE_BATCH_SIZE = env.int("INFERENCE_BATCH_SIZE", default=32)
# The runtime and device of the network; see ml.serving.runtimes.choice.
INFERENCE_RUNTIME = env.str("INFERENCE_RUNTIME", default="auto")
INFERENCE_DEVICE = env.str("INFERENCE_DEVICE", default="auto")
INFERENCE_LEASE_SECONDS = env.int("INFERENCE_LEASE_SECONDS", default=60)
INFERENCE_MAX_ATTEMPTS = 3
SWEEP_SECONDS = env.int("SWEEP_SECONDS", default=60)
# A file that worker and scheduler touch while they work, for the probes of a container platform.
HEARTBEAT_FILE = env.str("HEARTBEAT_FILE", default="")
# A job waiting longer than this while a worker is idle raises an alert: a hint was not received.
QUEUE_ALERT_SECONDS = env.int("QUEUE_ALERT_SECONDS", default=180)
# The collector of OpenTelemetry traces, and how many seconds it may take to accept what is sent.
OTEL_EXPORTER_OTLP_ENDPOINT = env.str("OTEL_EXPORTER_OTLP_ENDPOINT", default="")
OTEL_EXPORTER_OTLP_TIMEOUT = env.float("OTEL_EXPORTER_OTLP_TIMEOUT", default=2)
# Bearer token for Prometheus; if empty, only hospital IT can read /metrics.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")

# ── Reading ─────────────────────────────────────────────────────────────────────────────────────
# How long 'Next' keeps a study for its reader after the open page last reported.
RESERVATION_SECONDS = env.int("RESERVATION_SECONDS", default=900)
# How many minutes after a stat study was assigned 'Next' gives it to others, unless its reader has
# reserved it; 0 for never.
STAT_ASSIGNED_MINUTES = env.float("STAT_ASSIGNED_MINUTES", default=15)
# How many minutes after a signature the signing PIN is accepted instead of the password.
SIGNING_PIN_MINUTES = env.int("SIGNING_PIN_MINUTES", default=15)
# How many minutes without input until a session is locked; 0 for never.
SESSION_LOCK_MINUTES = env.float("SESSION_LOCK_MINUTES", default=15)
# Whether a share of the studies, and every overruled positive, goes to a second reader.
SECOND_READING = env.bool("SECOND_READING", default=False)
SECOND_READING_SHARE = env.float("SECOND_READING_SHARE", default=0.05)
SECOND_READING_BLIND_TO_AI = env.bool("SECOND_READING_BLIND_TO_AI", default=False)

# ── Drift ───────────────────────────────────────────────────────────────────────────────────────
# The first weeks of a version, this many of them, are the reference. A later week is compared with
# it if both have at least this many scores; hospital IT is alerted above this population stability
# index.
DRIFT_REFERENCE_WEEKS = env.int("DRIFT_REFERENCE_WEEKS", default=4)
DRIFT_MIN_IMAGES = env.int("DRIFT_MIN_IMAGES", default=200)
DRIFT_PSI = env.float("DRIFT_PSI", default=0.2)
if DRIFT_REFERENCE_WEEKS < 1 or DRIFT_MIN_IMAGES < 1:
    raise environ.ImproperlyConfigured(
        "DRIFT_REFERENCE_WEEKS and DRIFT_MIN_IMAGES must be at least 1."
    )

# ── Notifications ───────────────────────────────────────────────────────────────────────────────
# How long a stat study may wait unread before radiologists are notified.
STAT_UNREAD_MINUTES = env.int("STAT_UNREAD_MINUTES", default=30)
# The minimum interval between two e-mails to a user about waiting stat studies.
STAT_DIGEST_MINUTES = env.int("STAT_DIGEST_MINUTES", default=60)
# E-mail is off until a mail server is named; its links need the address that people use.
MAIL_ENABLED = bool(env.str("EMAIL_URL", default=""))
PORTAL_URL = env.str("PORTAL_URL", default="")
DEFAULT_FROM_EMAIL = env.str("EMAIL_FROM", default="chestline@localhost")
if MAIL_ENABLED:
    vars().update(env.email_url("EMAIL_URL"))
    # A mail server that does not answer must not hold up the scheduler.
    EMAIL_TIMEOUT = 15
    if not PORTAL_URL:
        raise environ.ImproperlyConfigured(
            "EMAIL_URL is set, so PORTAL_URL must be too: the address that people open, such as "
            "https://chestline.hospital.example."
        )

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

# ── Logs ────────────────────────────────────────────────────────────────────────────────────────
# Lines of text, or one JSON object a line.
LOG_FORMAT = env.str("LOG_FORMAT", default="text")
if LOG_FORMAT not in logs.FORMATS:
    raise environ.ImproperlyConfigured("LOG_FORMAT must be text or json.")
LOGGING: dict[str, Any] = logs.logging_config(LOG_FORMAT)
