"""App configuration."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """Audit trail."""

    name = "webportal.audit"
    label = "audit"
    verbose_name = "Audit trail"
