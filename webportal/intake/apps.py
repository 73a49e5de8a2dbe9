"""App configuration."""

from django.apps import AppConfig


class IntakeConfig(AppConfig):
    """Intake."""

    name = "webportal.intake"
    label = "intake"
    verbose_name = "Intake"
