"""App configuration."""

from django.apps import AppConfig


class AuditExportConfig(AppConfig):
    """Sending the audit trail to another system."""

    name = "webportal.auditexport"
    label = "auditexport"
    verbose_name = "Export of the audit trail"
