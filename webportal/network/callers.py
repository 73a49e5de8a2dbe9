"""Which nodes may call, and the list of rejected callers."""

from django.db import connection
from django.db.models import F
from django.utils import timezone

from webportal.network.models import Node, RejectedCaller
from webportal.network.nodes import may_call_from

UNKNOWN, INACTIVE, ADDRESS, CALLED = "unknown", "inactive", "address", "called"
# Let in, and aborted while it sent.
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


def note_rejected(calling: str, called: str, address: str, reason: str) -> None:
    """Record a rejected caller for hospital IT's page; the oldest ones are dropped."""
    who = {"calling_ae_title": calling, "called_ae_title": called, "address": address}
    _, created = RejectedCaller.objects.update_or_create(
        **who,
        reason=reason,
        defaults={"times": F("times") + 1, "at": timezone.now()},
        create_defaults={"at": timezone.now()},
    )
    if created:
        with connection.cursor() as cursor:
            cursor.execute(
                "DELETE FROM network_rejectedcaller WHERE id NOT IN"
                " (SELECT id FROM network_rejectedcaller ORDER BY at DESC LIMIT %s)",
                [_KEPT],
            )
