"""Context processor: the unread count in the header of every page."""

from functools import cache
from typing import Any

from django.http import HttpRequest

from webportal.accounts.models import User
from webportal.notifications.listing import unread_count


def unread_notifications(request: HttpRequest) -> dict[str, Any]:
    """Provide the number of unread notifications to templates, counted lazily."""
    user = getattr(request, "user", None)
    if not isinstance(user, User) or user.must_change_password:
        return {}
    return {"unread_notifications": cache(lambda: unread_count(user))}
