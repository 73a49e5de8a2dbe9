"""App configuration."""

from django.apps import AppConfig


class APIConfig(AppConfig):
    """API."""

    name = "webportal.api"
    label = "api"
    verbose_name = "API"
