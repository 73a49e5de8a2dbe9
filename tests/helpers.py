"""What tests of several packages ask or do."""

from typing import Any

from webportal.audit.models import AuditEntry


def audit_actions(**filters: Any) -> list[str]:
    """The actions in the audit trail, oldest first."""
    entries = AuditEntry.objects.filter(**filters).order_by("sequence")
    return list(entries.values_list("action", flat=True))
