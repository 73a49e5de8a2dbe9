"""Passwords, groups and the search of Active Directory, for the settings."""

from collections.abc import Mapping
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


def names_by_group(given: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """The names that each group grants, from lists joined by `+`."""
    return {group: tuple(names.split("+")) for group, names in given.items()}
