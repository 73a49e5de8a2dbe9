"""Queries of the hospital's directory (LDAP): who somebody is, and whether a password is theirs.

libldap (python-ldap, the extra `ldap`) searches for the person and their groups with a service
account; a password is checked by binding as the person, and is neither stored nor logged.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.utils.translation import gettext

from webportal.accounts.directory import channels
from webportal.accounts.turns import Turns
from webportal.refusals import Refusal

try:
    import ldap
    import ldap.filter
except ImportError:  # A system check refuses LDAP_URL then.
    ldap = None

# The name of a group, as in GROUP_ROLES.
_GROUP_NAME = "cn"
# Tells whether an account is disabled: in Active Directory, every account has it.
_STATE = "userAccountControl"

#: A directory that does not respond holds up only this many requests; others are told it is busy.
turns = Turns(max(1, settings.PORTAL_THREADS // 4), patience_seconds=2)

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


class EntryUncertainError(DirectoryUnreachableError):
    """The directory responds, but hides from the service account what is needed to decide."""

    def __init__(self, hidden: str) -> None:
        super().__init__()
        self.hidden = hidden


@dataclass(frozen=True)
class DirectoryEntry:
    """Somebody's entry in the directory."""

    dn: str
    #: Identifies the person, whatever their name.
    subject: str
    name: str
    full_name: str
    groups: list[str]


def is_installed() -> bool:
    """Whether the extra `ldap` is installed."""
    return ldap is not None


def entry_named(name: str) -> DirectoryEntry | None:
    """The entry of the person with this sign-in name; None if there is none, or several."""
    with _connected_to_search() as connection:
        found = _people(connection, settings.LDAP_PEOPLE_FILTER, _has_name(name))
        if len(found) > 1:
            logger.warning("several entries have the same %s", settings.LDAP_NAME_ATTRIBUTE)
        return _entry(connection, *found[0]) if len(found) == 1 else None


def entry_of(subject: str, name: str) -> DirectoryEntry | None:
    """The entry of a person who has signed in before, by `DirectoryEntry.subject`.

    None only if they have certainly left, or are disabled: raises EntryUncertainError if the
    directory may merely hide their entry, or a value of it, from the service account. `name` is
    the name with which they have signed in.
    """
    octets = "".join(f"\\{octet:02x}" for octet in bytes.fromhex(subject))
    is_theirs = f"({settings.LDAP_ID_ATTRIBUTE}={octets})"
    with _connected_to_search() as connection:
        found = _people(connection, settings.LDAP_PEOPLE_FILTER, is_theirs)
        if len(found) > 1:
            raise EntryUncertainError(f"one entry alone with the {settings.LDAP_ID_ATTRIBUTE}")
        if found:
            return _entry(connection, *found[0])
        _check_gone(connection, is_theirs, name)
    return None


def is_password(entry: DirectoryEntry, password: str) -> bool:
    """Whether the directory accepts the password."""
    # A bind without a password succeeds anonymously.
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
            # Active Directory gives the reason: 52e wrong, 532 expired, 533 disabled, 775 locked.
            logger.info("the directory refused a password: %s", _reason_in(error))
            return False
    return True


def _has_name(name: str) -> str:
    return f"({settings.LDAP_NAME_ATTRIBUTE}={ldap.filter.escape_filter_chars(name)})"


def _people(connection: Any, *conditions: str) -> list[tuple[str, dict[str, list[bytes]]]]:
    wanted = [
        settings.LDAP_ID_ATTRIBUTE,
        settings.LDAP_NAME_ATTRIBUTE,
        settings.LDAP_FULL_NAME_ATTRIBUTE,
        _STATE,
    ]
    where = f"(&{''.join(conditions)})"
    return _search(connection, settings.LDAP_PEOPLE_BASE, where, wanted)


def _entry(connection: Any, dn: str, values: dict[str, list[bytes]]) -> DirectoryEntry:
    """Raises EntryUncertainError."""
    for attribute in (settings.LDAP_ID_ATTRIBUTE, settings.LDAP_NAME_ATTRIBUTE):
        if attribute not in values:
            raise EntryUncertainError(f"the {attribute} of {dn}")
    return DirectoryEntry(
        dn,
        subject=values[settings.LDAP_ID_ATTRIBUTE][0].hex(),
        name=_text(values, settings.LDAP_NAME_ATTRIBUTE),
        full_name=_text(values, settings.LDAP_FULL_NAME_ATTRIBUTE),
        groups=_groups(connection, dn),
    )


def _check_gone(connection: Any, is_theirs: str, name: str) -> None:
    """Raise EntryUncertainError unless a person who was not found has left, or is disabled.

    A search does not return what the service account may not read: a person whose state or
    identifier is hidden looks like one who is disabled or has left.
    """
    shown = _people(connection, is_theirs)
    if shown:
        if _STATE.lower() in settings.LDAP_PEOPLE_FILTER.lower() and _STATE not in shown[0][1]:
            raise EntryUncertainError(f"the {_STATE} of {shown[0][0]}")
        return
    attribute = settings.LDAP_ID_ATTRIBUTE
    for dn, values in _people(connection, _has_name(name)):
        if attribute not in values:
            raise EntryUncertainError(f"the {attribute} of {dn}")
    if not _shows_any(connection, settings.LDAP_PEOPLE_BASE, attribute):
        raise EntryUncertainError(f"the {attribute} of anybody")


def _groups(connection: Any, dn: str) -> list[str]:
    """The names of somebody's groups. Raises EntryUncertainError if all groups are hidden."""
    base = settings.LDAP_GROUP_BASE
    if not base:
        return []
    where = settings.LDAP_GROUP_FILTER.replace("{dn}", ldap.filter.escape_filter_chars(dn))
    found = _search(connection, base, where, [_GROUP_NAME])
    members = re.search(r"\(([\w-]+)(:[\w.:]*)?=\{dn\}", settings.LDAP_GROUP_FILTER)
    if not found and members and not _shows_any(connection, base, members[1]):
        raise EntryUncertainError(f"the {members[1]} of any group")
    if not all(_GROUP_NAME in values for _dn, values in found):
        raise EntryUncertainError(f"the {_GROUP_NAME} of a group")
    return sorted(_text(values, _GROUP_NAME) for _dn, values in found)


def _shows_any(connection: Any, base: str, attribute: str) -> bool:
    """Whether the directory shows this attribute of any entry."""
    try:
        # "1.1" asks for no attributes (RFC 4511 4.5.1.8).
        found = connection.search_ext_s(
            base, ldap.SCOPE_SUBTREE, f"({attribute}=*)", ["1.1"], sizelimit=1
        )
    except ldap.SIZELIMIT_EXCEEDED:
        return True
    return any(dn is not None for dn, _values in found)


def _search(
    connection: Any, base: str, where: str, wanted: list[str]
) -> list[tuple[str, dict[str, list[bytes]]]]:
    found = connection.search_ext_s(base, ldap.SCOPE_SUBTREE, where, wanted)
    # Results without a DN are referrals to other servers, which are not followed. Attribute names
    # are returned in the schema's case, together with language variants (`cn;lang-ne`) and
    # subtypes.
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
    """A connection on which nobody is bound yet.

    Raises DirectoryUnreachableError, also for errors on an open connection.
    """
    try:
        channel = channels.open_channel(settings.LDAP_URL.split(), settings.LDAP_CA_FILE)
        # The channel encrypts before anything leaves this machine. libldap closes it.
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
        logger.warning("the directory cannot be asked: %s", _reason_in(error))
        raise DirectoryUnreachableError from error


@contextmanager
def _connected_to_search() -> Iterator[Any]:
    """A connection as the service account. Raises DirectoryUnreachableError."""
    with _connected() as connection:
        connection.simple_bind_s(settings.LDAP_BIND_DN, settings.LDAP_BIND_PASSWORD)
        try:
            yield connection
        except EntryUncertainError as error:
            logger.warning("the directory does not show the service account %s", error.hidden)
            raise


def _reason_in(error: Exception) -> str:
    """libldap's error message; it never repeats what was sent."""
    reason = error.args[0] if error.args else {}
    parts = (reason.get("desc"), reason.get("info")) if isinstance(reason, dict) else (str(reason),)
    return ": ".join(f"{part!r}" for part in parts if part) or type(error).__name__
