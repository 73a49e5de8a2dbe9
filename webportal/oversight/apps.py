"""App configuration."""

from django.apps import AppConfig


class OversightConfig(AppConfig):
    """Watching the model: another version in shadow mode, and drift."""

    name = "webportal.oversight"
    label = "oversight"
    verbose_name = "Oversight of the model"
