"""Browsers in which a person has signed in before.

A random value in a cookie identifies a browser; it grants no access. Wrong passwords sent from
elsewhere do not slow down a user in a known browser.
"""

import hashlib
import secrets
from datetime import timedelta

from django.conf import settings
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from webportal.accounts.models import KnownDevice, User

COOKIE = "chestline_device"
REMEMBERED = timedelta(days=180)


def known_device(request: HttpRequest | None, username: str) -> str:
    """The digest of the requesting browser, or '' if the user has never signed in there."""
    digest = _digest_of(request)
    fresh = Q(used_at__gte=timezone.now() - REMEMBERED)
    known = KnownDevice.objects.filter(fresh, user__username__iexact=username, device_digest=digest)
    return digest if digest and known.exists() else ""


def remember_device(request: HttpRequest, response: HttpResponse, user: User) -> None:
    """Recognise this browser at the user's next sign-in."""
    value = request.COOKIES.get(COOKIE)
    if not value:
        value = secrets.token_urlsafe(24)
        # Earlier releases let browsers cache images for a year.
        response.headers["Clear-Site-Data"] = '"cache"'
    now = timezone.now()
    KnownDevice.objects.filter(used_at__lt=now - REMEMBERED).delete()
    KnownDevice.objects.update_or_create(
        user=user, device_digest=_digest(value), defaults={"used_at": now}
    )
    response.set_cookie(
        COOKIE,
        value,
        max_age=REMEMBERED,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
        path=settings.SESSION_COOKIE_PATH,
    )


def forget_devices(user: User) -> None:
    """Forget all browsers of this user."""
    KnownDevice.objects.filter(user=user).delete()


def _digest_of(request: HttpRequest | None) -> str:
    value = request.COOKIES.get(COOKIE) if request else None
    return _digest(value) if value else ""


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()
