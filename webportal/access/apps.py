"""The access log's application."""

from django.apps import AppConfig


class AccessConfig(AppConfig):
    """Registers the models of the access log."""

    name = "webportal.access"
