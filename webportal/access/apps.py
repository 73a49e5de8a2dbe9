"""App configuration."""

from django.apps import AppConfig


class AccessConfig(AppConfig):
    """The access log."""

    name = "webportal.access"
