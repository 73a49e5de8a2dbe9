"""App configuration."""

from django.apps import AppConfig


class AuditingConfig(AppConfig):
    """The auditor's pages."""

    name = "webportal.auditing"
    verbose_name = "Auditing"
