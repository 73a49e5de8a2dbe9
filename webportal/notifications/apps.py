"""App configuration."""

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    """Notifications."""

    name = "webportal.notifications"
    label = "notifications"

    def ready(self) -> None:
        """Connect the signals that notify at once."""
        from webportal.notifications import emergencies, own_account  # noqa: F401
