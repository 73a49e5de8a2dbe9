"""App configuration."""

from django.apps import AppConfig


class OperationsConfig(AppConfig):
    """Operations."""

    name = "webportal.operations"
    label = "operations"
    verbose_name = "Operations"
