"""App configuration."""

from django.apps import AppConfig


class AuditingConfig(AppConfig):
    """The auditors' pages."""

    name = "webportal.auditing"
    verbose_name = "Auditing"
