"""System checks of the settings about people; `manage.py prepare` and every start run them."""

from typing import Any

from django.conf import settings
from django.core.checks import Error, register

from webportal.accounts.models import Role


@register()
def roles_are_known(**kwargs: Any) -> list[Error]:
    """REQUIRE_SECOND_FACTOR names roles."""
    unknown = sorted(set(settings.REQUIRE_SECOND_FACTOR) - set(Role.values))
    if not unknown:
        return []
    return [
        Error(
            f"REQUIRE_SECOND_FACTOR names {', '.join(unknown)}, which is no role.",
            hint=f"The roles are {', '.join(Role.values)}.",
            id="accounts.E001",
        )
    ]
