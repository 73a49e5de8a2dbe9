"""Which roles one person may not hold together, and when hospital IT has to keep to it.

Whoever gives roles away must not be able to read, sign or look into the trail with them; whoever
looks into the trail must have nothing in it. Where one person administers everything this cannot
be had, so by default it is enforced from the second administrator on (ROLE_SEPARATION).
"""

from collections.abc import Collection

from django.conf import settings

from webportal.accounts.models import Role, User

#: What a member of IT does not hold beside.
APART_FROM_IT = (Role.RADIOLOGIST, Role.COORDINATOR, Role.REFERRER, Role.AUDITOR)


def is_enforced() -> bool:
    """Whether roles are kept apart here and now."""
    if settings.ROLE_SEPARATION != "auto":
        return bool(settings.ROLE_SEPARATION == "always")
    return User.objects.filter(is_active=True, roles__contains=[Role.IT]).count() > 1


def conflict(roles: Collection[str]) -> tuple[Role, Role] | None:
    """Two of the roles that one person may not hold together, or None."""
    held = [role for role in Role if role in roles]
    if Role.IT in held:
        for role in APART_FROM_IT:
            if role in held:
                return Role.IT, role
    if Role.AUDITOR in held and len(held) > 1:
        return Role.AUDITOR, next(role for role in held if role != Role.AUDITOR)
    return None
