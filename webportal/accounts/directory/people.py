"""Users of the hospital's directory: checking their passwords, and refreshing their roles.

Every GROUP_REFRESH_MINUTES the next request of a user, from a session or with an API token, queries
the directory for their groups. A user who was removed from it, or disabled, is then signed out
everywhere. While the directory is unavailable, or hides from the service account what is needed to
decide, sessions continue.
"""

import logging
import re
import time
from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from webportal.accounts import federation, services, sessions, throttle
from webportal.accounts.directory import connection
from webportal.accounts.directory.connection import DirectoryUnreachableError, EntryUncertainError
from webportal.accounts.directory.passwords import ISSUER, is_of_directory
from webportal.accounts.federation import FederatedRefusal, IdentitySource, Person
from webportal.accounts.models import FederatedIdentity, User
from webportal.accounts.turns import BusyError
from webportal.audit.models import Action
from webportal.audit.trail import Event, append

#: The actor in the audit trail for changes that the directory causes.
DIRECTORY = "directory"
RETRY = timedelta(minutes=1)
_silent_until = 0.0
# The form of user names; the directory is not queried for others.
_NAME = re.compile(r"[\w.@+-]+")
_SOURCE = IdentitySource(ISSUER, DIRECTORY, has_passwords=True)

logger = logging.getLogger(__name__)


def sign_in(name: str, password: str) -> User | None:
    """The account of the user with this name and password, None if they are wrong.

    Raises DirectoryUnreachableError or BusyError if the password was not checked, and
    FederatedRefusal or ValidationError if the person may not sign in here.
    """
    if not _may_ask(name):
        return None
    with connection.turns.take():
        entry = connection.entry_named(name)
        # The directory may compare more loosely than we do, for example ignoring accents; wrong
        # passwords are counted under the name as we spell it.
        if entry is None or throttle.canonical(entry.name) != throttle.canonical(name):
            return None
        if not connection.is_password(entry, password):
            return None
    person = Person(entry.subject, entry.name, entry.full_name, entry.groups)
    user = federation.account_of(person, _SOURCE)
    _is_fresh(user)
    return user


def _may_ask(name: str) -> bool:
    """Whether the directory is queried for this sign-in name."""
    if not settings.LDAP_URL or not _NAME.fullmatch(name):
        return False
    known = User.objects.filter(username__iexact=name).first()
    return known is None or not (known.is_node or known.username in settings.BREAK_GLASS_USERS)


def refresh_when_due(user: User) -> bool:
    """Refresh the user's groups from the directory, if due; False if they must be signed out."""
    global _silent_until
    if not is_of_directory(user) or time.monotonic() < _silent_until or not _take_turn(user):
        return True
    try:
        with connection.turns.take():
            entry = connection.entry_of(user.federated_identity.subject, user.username)
    except EntryUncertainError:
        # The failure does not concern this user, who is refreshed after RETRY; others continue.
        return True
    except (DirectoryUnreachableError, BusyError):
        _silent_until = time.monotonic() + RETRY.total_seconds()
        logger.warning("the directory does not answer; sessions go on meanwhile")
        return True
    if entry is None:
        services.revoke_all_tokens(user, DIRECTORY)
        _end_sessions(user)
        return False
    try:
        federation.update_roles(user, entry.groups, _SOURCE)
    except FederatedRefusal:
        _end_sessions(user)
        return False
    _is_fresh(user)
    return True


def _take_turn(user: User) -> bool:
    """Whether a refresh is due, for one of several concurrent requests."""
    now = timezone.now()
    due = FederatedIdentity.objects.filter(Q(refresh_at=None) | Q(refresh_at__lte=now), user=user)
    return bool(due.update(refresh_at=now + RETRY))


def _is_fresh(user: User) -> None:
    due = timezone.now() + timedelta(minutes=settings.GROUP_REFRESH_MINUTES)
    FederatedIdentity.objects.filter(user=user).update(refresh_at=due)


def _end_sessions(user: User) -> None:
    detail = {"directory": True, "sessions": sessions.end_all(user)}
    append(Event(Action.SIGNED_OUT, "user", user.pk, detail=detail), DIRECTORY)


def refresh_sessions(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: refresh the roles of directory users."""

    def middleware(request: HttpRequest) -> HttpResponse:
        # Health checks have no session, and these URLs load none.
        is_asked = settings.LDAP_URL and not request.path.startswith(
            ("/health/", "/static/", "/metrics")
        )
        if is_asked and isinstance(request.user, User) and not refresh_when_due(request.user):
            request.session.flush()
            request.user = AnonymousUser()
        return get_response(request)

    return middleware
