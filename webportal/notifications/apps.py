"""App configuration."""

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    """Notifications."""

    name = "webportal.notifications"
    label = "notifications"

    def ready(self) -> None:
        """Connect the signals that notify at once, and register the checks."""
        from webportal.notifications import (  # noqa: F401
            checks,
            emergencies,
            own_account,
            role_requests,
        )
