"""Sessions with their user and origin: listing and ending them.

Django's database sessions do not reference their user; these do.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.contrib.sessions.backends import db
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from webportal.accounts.models import Session, User
from webportal.client_address import client_address

_ABOUT = "signed_in"
_NOTED_EVERY = timedelta(seconds=30)
#: Data of a session started through the identity provider (webportal.accounts.provider_sessions).
FEDERATED = "federated"
#: How long a sign-in may take, wherever it leads.
ANONYMOUS_SECONDS = 1800
_BROWSERS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


class SessionStore(db.SessionStore):
    """Stores the user with the session. Named by SESSION_ENGINE."""

    #: The provider's data as this request has last loaded or saved them.
    _federated: dict[str, Any] | None = None

    @classmethod
    def get_model_class(cls) -> type[Session]:
        """The table."""
        return Session

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        """The row to save."""
        row: Session = super().create_model_instance(data)  # type: ignore[assignment]
        row.user_id = data.get("_auth_user_id")
        row.expire_date = min([row.expire_date, *_latest_ends(data)])
        row.provider_sid = data.get(FEDERATED, {}).get("sid", "")
        return row

    def load(self) -> dict[str, Any]:
        """The data as stored."""
        data: dict[str, Any] = super().load()
        self._note(data.get(FEDERATED))
        return data

    def save(self, must_create: bool = False) -> None:
        """Save the data, but those of the provider only if this request has changed them.

        Another may have refreshed them meanwhile: a refresh token may be single-use.
        """
        own = None if must_create else self.get(FEDERATED)
        if own is None or own != self._federated:
            super().save(must_create)
        else:
            with transaction.atomic():
                row = Session.objects.select_for_update().filter(pk=self.session_key).first()
                stored = row.get_decoded() if row is not None else {}
                self[FEDERATED] = own = stored.get(FEDERATED, own)
                super().save()
        self._note(own)

    def _note(self, federated: dict[str, Any] | None) -> None:
        # A copy: the data may be changed in place.
        self._federated = dict(federated) if federated is not None else None

    def cycle_key(self) -> None:
        """Give the session another key; if it is locked, it stays locked."""
        rows = Session.objects.filter(pk=self.session_key)
        with transaction.atomic():
            # A concurrent request that locks it waits here, and then finds that the key is gone.
            before = rows.select_for_update().first()
            super().cycle_key()
            if before is not None:
                Session.objects.filter(pk=self.session_key).update(
                    locked_at=before.locked_at, unlocked_at=before.unlocked_at
                )


def _latest_ends(data: dict[str, Any]) -> list[datetime]:
    """When a session of these data ends at the latest, however often it is saved."""
    if data.get("_auth_user_id") is None:
        # Anybody can have any number of them stored, and needs one for a few minutes.
        return [timezone.now() + timedelta(seconds=ANONYMOUS_SECONDS)]
    ends = []
    if since := parse_datetime(data.get(_ABOUT, {}).get("at", "")):
        ends.append(since + timedelta(seconds=settings.SESSION_COOKIE_AGE))
    if until := data.get(FEDERATED, {}).get("until", 0):
        ends.append(datetime.fromtimestamp(until, UTC))
    return ends


@dataclass(frozen=True)
class OpenSession:
    """One of a user's sessions, described so that they recognise it."""

    id: str
    since: datetime | None
    until: datetime
    address: str
    browser: str
    is_this: bool


def describe(request: HttpRequest) -> None:
    """Record the origin of the session that has just started."""
    request.session[_ABOUT] = {
        "id": str(uuid4()),
        "at": timezone.now().isoformat(),
        "address": client_address(request),
        "browser": _browser(request.headers.get("User-Agent", "")),
    }


def note_use(session: SessionBase) -> None:
    """Note that a person uses the session now.

    In a column of its own: requests of one session that come at once overwrite each other's data.
    """
    now = timezone.now()
    Session.objects.filter(pk=session.session_key, used_at__lt=now - _NOTED_EVERY).update(
        used_at=now
    )


def sessions_of(user: User, current: SessionBase) -> list[OpenSession]:
    """The user's active sessions, newest first."""
    found = [_open(row, current) for row in _rows(user)]
    return sorted(found, key=lambda each: (each.is_this, each.until), reverse=True)


def end(user: User, session_id: str) -> bool:
    """End one of the user's sessions; returns whether it existed."""
    for row in _rows(user):
        if _about(row).get("id") == session_id:
            row.delete()
            return True
    return False


def end_all(user: User) -> int:
    """End all of the user's sessions, and return how many there were."""
    count = _rows(user).count()
    Session.objects.filter(user=user).delete()
    return count


def end_everybodys() -> None:
    """End all sessions of all users."""
    Session.objects.all().delete()


def end_federated(sid: str, owner: User | None) -> list[User]:
    """End the sessions that belong to a session of the identity provider, of this owner if given.

    Returns their users, each once.
    """
    found = Session.objects.filter(provider_sid=sid, expire_date__gt=timezone.now())
    if owner is not None:
        found = found.filter(user=owner)
    people = [row.user for row in found.select_related("user") if row.user is not None]
    found.delete()
    return people


def forget_ended() -> None:
    """Remove sessions that ended without a sign-out."""
    Session.objects.filter(expire_date__lt=timezone.now()).delete()


def _rows(user: User) -> QuerySet[Session]:
    return Session.objects.filter(user=user, expire_date__gt=timezone.now())


def _about(row: Session) -> dict[str, str]:
    found: dict[str, str] = row.get_decoded().get(_ABOUT, {})
    return found


def _open(row: Session, current: SessionBase) -> OpenSession:
    about = _about(row)
    return OpenSession(
        id=about.get("id", ""),
        since=parse_datetime(about.get("at", "")),
        until=row.expire_date,
        address=about.get("address", ""),
        browser=about.get("browser", ""),
        is_this=row.session_key == current.session_key,
    )


def _browser(agent: str) -> str:
    """Browser and operating system in familiar words; the full user agent is hard to read."""
    names = [
        next((name for mark, name in known if mark in agent), "") for known in (_BROWSERS, _SYSTEMS)
    ]
    return ", ".join(name for name in names if name)
