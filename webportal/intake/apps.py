"""App configuration."""

from django.apps import AppConfig


class IntakeConfig(AppConfig):
    """Intake."""

    name = "webportal.intake"
    label = "intake"
    verbose_name = "Intake"

    def ready(self) -> None:
        """Register the reasons."""
        from webportal.intake import reasons  # noqa: F401
