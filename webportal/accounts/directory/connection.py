"""Asking the hospital's directory (LDAP): who somebody is, and whether a password is theirs.

libldap (python-ldap, the extra `ldap`) is asked by a service account for the person and their
groups; a password is checked by binding as the person, and is neither stored nor logged.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.utils.translation import gettext

from webportal.accounts import hashing
from webportal.accounts.directory import channels
from webportal.refusals import Refusal

try:
    import ldap
    import ldap.filter
except ImportError:  # A system check refuses LDAP_URL then.
    ldap = None

# The name of a group, as in GROUP_ROLES.
_GROUP_NAME = "cn"

#: A directory that does not answer holds up only so many requests; the others are told it is busy.
turns = hashing.Turns(max(1, settings.PORTAL_THREADS // 4), patience_seconds=2)

logger = logging.getLogger(__name__)


class DirectoryUnreachableError(Refusal):
    """The directory did not respond, or refused the service account."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    retry_seconds = 30

    def __init__(self) -> None:
        # Passkeys sign in where local passwords do.
        super().__init__(
            "directory_unreachable",
            gettext(
                "The hospital’s user directory does not respond, so your password cannot be"
                " checked. Use a passkey, or try again in a moment."
            )
            if settings.LOCAL_SIGN_IN
            else gettext(
                "The hospital’s user directory does not respond, so your password cannot be"
                " checked. Try again in a moment."
            ),
        )


@dataclass(frozen=True)
class Entry:
    """Somebody's entry in the directory."""

    dn: str
    #: Identifies the person whatever their name.
    subject: str
    name: str
    full_name: str
    groups: list[str]


def is_installed() -> bool:
    """Whether the extra `ldap` is installed."""
    return ldap is not None


def entry_named(name: str) -> Entry | None:
    """The entry of the person who signs in by this name; None if there is none, or several."""
    return _entry(settings.LDAP_NAME_ATTRIBUTE, ldap.filter.escape_filter_chars(name))


def entry_of(subject: str) -> Entry | None:
    """The entry of a person who has signed in before, by `Entry.subject`."""
    octets = bytes.fromhex(subject)
    return _entry(settings.LDAP_ID_ATTRIBUTE, "".join(f"\\{octet:02x}" for octet in octets))


def is_password(entry: Entry, password: str) -> bool:
    """Whether the directory accepts the password."""
    # A bind without a password succeeds, as nobody.
    if not password:
        return False
    refused = (
        ldap.INVALID_CREDENTIALS,
        ldap.INAPPROPRIATE_AUTH,
        ldap.CONSTRAINT_VIOLATION,
        ldap.INSUFFICIENT_ACCESS,
        ldap.NO_SUCH_OBJECT,
        ldap.UNWILLING_TO_PERFORM,
    )
    with _connected() as connection:
        try:
            connection.simple_bind_s(entry.dn, password)
        except refused as error:
            # For Active Directory it says why: 52e wrong, 532 expired, 533 disabled, 775 locked.
            logger.info("the directory refused a password: %s", _told(error))
            return False
    return True


def _entry(attribute: str, escaped: str) -> Entry | None:
    where = f"(&{settings.LDAP_PEOPLE_FILTER}({attribute}={escaped}))"
    wanted = [
        settings.LDAP_ID_ATTRIBUTE,
        settings.LDAP_NAME_ATTRIBUTE,
        settings.LDAP_FULL_NAME_ATTRIBUTE,
    ]
    with _connected() as connection:
        connection.simple_bind_s(settings.LDAP_BIND_DN, settings.LDAP_BIND_PASSWORD)
        found = _search(connection, settings.LDAP_PEOPLE_BASE, where, wanted)
        if len(found) != 1:
            if found:
                logger.warning("several entries of the directory have the same %s", attribute)
            return None
        dn, values = found[0]
        if settings.LDAP_ID_ATTRIBUTE not in values or settings.LDAP_NAME_ATTRIBUTE not in values:
            logger.warning(
                "the entry %s shows the service account no %s or %s",
                *(dn, settings.LDAP_ID_ATTRIBUTE, settings.LDAP_NAME_ATTRIBUTE),
            )
            return None
        return Entry(
            dn,
            subject=values[settings.LDAP_ID_ATTRIBUTE][0].hex(),
            name=_text(values, settings.LDAP_NAME_ATTRIBUTE),
            full_name=_text(values, settings.LDAP_FULL_NAME_ATTRIBUTE),
            groups=_groups(connection, dn),
        )


def _groups(connection: Any, dn: str) -> list[str]:
    if not settings.LDAP_GROUP_BASE:
        return []
    where = settings.LDAP_GROUP_FILTER.replace("{dn}", ldap.filter.escape_filter_chars(dn))
    found = _search(connection, settings.LDAP_GROUP_BASE, where, [_GROUP_NAME])
    return sorted(_text(values, _GROUP_NAME) for _dn, values in found)


def _search(
    connection: Any, base: str, where: str, wanted: list[str]
) -> list[tuple[str, dict[str, list[bytes]]]]:
    found = connection.search_ext_s(base, ldap.SCOPE_SUBTREE, where, wanted)
    # Results without a DN are referrals to other servers, which are not followed. Names of
    # attributes come in the case of the directory's schema, and with them those in other languages
    # (`cn;lang-ne`) and subtypes.
    spelling = {name.lower(): name for name in wanted}
    return [
        (
            dn,
            {
                spelling[name.lower()]: each
                for name, each in values.items()
                if name.lower() in spelling
            },
        )
        for dn, values in found
        if dn is not None
    ]


def _text(values: dict[str, list[bytes]], attribute: str) -> str:
    return values.get(attribute, [b""])[0].decode("utf-8", "replace")


@contextmanager
def _connected() -> Iterator[Any]:
    """A connection on which nobody has signed in yet.

    Raises DirectoryUnreachableError, also for errors on an open connection.
    """
    try:
        channel = channels.open_channel(settings.LDAP_URL.split(), settings.LDAP_CA_FILE)
        # The channel is encrypted already where it leaves this machine. libldap closes it.
        connection = ldap.initialize("ldap://", fileno=channel.detach())
        connection.set_option(ldap.OPT_PROTOCOL_VERSION, ldap.VERSION3)
        connection.set_option(ldap.OPT_NETWORK_TIMEOUT, channels.TIMEOUT_SECONDS)
        connection.set_option(ldap.OPT_TIMEOUT, channels.TIMEOUT_SECONDS)
        connection.set_option(ldap.OPT_REFERRALS, 0)
        try:
            yield connection
        finally:
            connection.unbind_ext_s()
    except OSError as error:
        logger.warning("the directory cannot be reached: %s", error)
        raise DirectoryUnreachableError from error
    except ldap.LDAPError as error:
        logger.warning("the directory cannot be asked: %s", _told(error))
        raise DirectoryUnreachableError from error


def _told(error: Exception) -> str:
    """What libldap says; it never repeats what was sent."""
    told = error.args[0] if error.args else {}
    parts = (told.get("desc"), told.get("info")) if isinstance(told, dict) else (str(told),)
    return ": ".join(f"{part!r}" for part in parts if part) or type(error).__name__
