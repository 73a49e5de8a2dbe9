"""System checks of the settings of emergency access."""

from typing import Any

from django.conf import settings
from django.core.checks import Error, register

from webportal.notifications.emergencies import HEADS, ROLES


@register()
def emergencies_are_configured(**kwargs: Any) -> list[Error]:
    """EMERGENCY_ALERTS contains only known recipients; access and review last long enough."""
    found = []
    possible = [HEADS, *ROLES]
    unknown = sorted(set(settings.EMERGENCY_ALERTS) - set(possible))
    if unknown:
        found.append(
            Error(
                f"EMERGENCY_ALERTS contains unknown recipients: {', '.join(unknown)}.",
                hint=f"Possible recipients: {', '.join(possible)}.",
                id="notifications.E001",
            )
        )
    if settings.EMERGENCY_ACCESS_MINUTES < 1:
        message = "EMERGENCY_ACCESS_MINUTES must be at least 1."
        found.append(Error(message, id="notifications.E002"))
    if settings.EMERGENCY_REVIEW_DAYS < 1:
        message = "EMERGENCY_REVIEW_DAYS must be at least 1."
        found.append(Error(message, id="notifications.E003"))
    return found
