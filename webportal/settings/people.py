"""Users, and how they sign in."""

import os

import environ

from webportal.accounts import config as accounts
from webportal.settings.environment import env
from webportal.settings.portal import SECRET_KEY, SECRET_KEY_FALLBACKS

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
