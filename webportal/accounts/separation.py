"""Separation of duties: roles that one user may not combine.

Users who assign roles must not read, sign or audit; auditors must not have a part in what they
audit. A single administrator cannot comply with this, so by default it is enforced as soon as there
is a second one (ROLE_SEPARATION).
"""

from collections.abc import Collection

from django.conf import settings

from webportal.accounts.models import Role, User

#: Roles that cannot be combined with IT.
APART_FROM_IT = (Role.RADIOLOGIST, Role.COORDINATOR, Role.REFERRER, Role.RESEARCHER, Role.AUDITOR)


def is_enforced() -> bool:
    """Whether separation of duties is currently enforced."""
    if settings.ROLE_SEPARATION != "auto":
        return bool(settings.ROLE_SEPARATION == "always")
    return User.objects.filter(is_active=True, roles__contains=[Role.IT]).count() > 1


def conflict(roles: Collection[str]) -> tuple[Role, Role] | None:
    """Two of the roles that may not be combined, or None."""
    held = [role for role in Role if role in roles]
    if Role.IT in held:
        for role in APART_FROM_IT:
            if role in held:
                return Role.IT, role
    if Role.AUDITOR in held and len(held) > 1:
        return Role.AUDITOR, next(role for role in held if role != Role.AUDITOR)
    return None
