"""App configuration."""

from django.apps import AppConfig


class DemoConfig(AppConfig):
    """Demonstration."""

    name = "webportal.demo"
    label = "demo"
    verbose_name = "Demonstration"
