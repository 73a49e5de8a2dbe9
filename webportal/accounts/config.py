"""How passwords are hashed and checked, and Active Directory is searched, for the settings."""

from typing import Any

PASSWORD_HASHERS = [
    "webportal.accounts.hashing.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
_DJANGO = "django.contrib.auth.password_validation"
PASSWORD_VALIDATORS: list[dict[str, Any]] = [
    {"NAME": f"{_DJANGO}.UserAttributeSimilarityValidator"},
    {"NAME": f"{_DJANGO}.CommonPasswordValidator"},
    {"NAME": f"{_DJANGO}.NumericPasswordValidator"},
    {"NAME": f"{_DJANGO}.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "webportal.accounts.password_patterns.PatternValidator"},
]

# In Active Directory: people, no computers, whose account is not disabled.
LDAP_PEOPLE_FILTER = (
    "(&(objectCategory=person)(objectClass=user)(!(userAccountControl:1.2.840.113556.1.4.803:=2)))"
)
# Direct members; docs/sign-in.md has the filter for groups in groups.
LDAP_GROUP_FILTER = "(member={dn})"
