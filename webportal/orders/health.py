"""Whether orders need attention: for hospital IT's alerts."""

from datetime import timedelta

from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from webportal.database.clock import clock
from webportal.orders.models import OrderMessage
from webportal.orders.questions import waiting
from webportal.orders.receiving import ACCEPTED

REFUSED = "orders_refused"
AWAY = "worklist_away"
# Older ones have been looked at, or their studies were read without them.
_LOOKED_BACK = timedelta(days=1)
# Long enough for a RIS to restart without an alert.
_LONGEST_AWAY = timedelta(minutes=15)

WORDS: dict[str, str | Promise] = {
    REFUSED: _(
        "Orders were refused in the last 24 hours. The last messages on the HL7 page say why."
        " Correct what sends them, and let it send them again."
    ),
    AWAY: _(
        "A worklist that is queried for orders has not responded for more than 15 minutes, and"
        " studies without an order are waiting for it. Test it on the DICOM page, or stop"
        " querying it."
    ),
}


def problems() -> list[str]:
    """The codes of the problems that need attention now."""
    away = waiting().filter(source__away_since__lt=clock() - _LONGEST_AWAY)
    return [
        *([REFUSED] if _is_refused() else []),
        *([AWAY] if away.exists() else []),
    ]


def _is_refused() -> bool:
    """Whether a message was refused and none accepted since."""
    refused = OrderMessage.objects.exclude(answer=ACCEPTED).filter(
        received_at__gt=timezone.now() - _LOOKED_BACK
    )
    # Test messages are meant to be refused.
    refused = refused.exclude(reason_code="processing_id")
    since = OrderMessage.objects.filter(
        source=OuterRef("source"), control_id=OuterRef("control_id"), answer=ACCEPTED
    )
    return refused.filter(~Exists(since)).exists()
