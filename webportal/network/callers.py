"""Which nodes may call, and the list of rejected callers."""

from webportal.database.rows import count_occurrence
from webportal.network.models import Node, RejectedCaller
from webportal.network.nodes import may_call_from

UNKNOWN, INACTIVE, ADDRESS, CALLED = "unknown", "inactive", "address", "called"
# Admitted, then aborted for sending more than an instance may have.
TOO_LARGE = "too_large"
_KEPT = 50


def known_caller(calling: str, address: str) -> Node | str:
    """Return the calling node, or the reason why the caller is rejected."""
    node = Node.objects.filter(ae_title=calling).select_related("account").first()
    if node is None:
        return UNKNOWN
    if not node.is_active:
        return INACTIVE
    return node if may_call_from(node, address) else ADDRESS


def record_rejected(calling: str, called: str, address: str, reason: str) -> None:
    """Record a rejected caller for hospital IT's page; the oldest ones are dropped."""
    count_occurrence(
        RejectedCaller,
        _KEPT,
        calling_ae_title=calling,
        called_ae_title=called,
        address=address,
        reason=reason,
    )
