"""Whether refused orders need somebody: for the alerts of hospital IT."""

from datetime import timedelta

from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from webportal.orders.models import OrderMessage
from webportal.orders.receiving import ACCEPTED

REFUSED = "orders_refused"
# An older one has been looked at, or its study has been read without it.
_LOOKED_BACK = timedelta(days=1)

WORDS: dict[str, str | Promise] = {
    REFUSED: _(
        "Orders were refused in the last 24 hours. The last messages on the HL7 page say why."
        " Correct what sends them, and let it send them again."
    ),
}


def problems() -> list[str]:
    """The codes of what needs somebody now: a refused message that was not accepted since."""
    refused = OrderMessage.objects.exclude(answer=ACCEPTED).filter(
        received_at__gt=timezone.now() - _LOOKED_BACK
    )
    # Messages for testing are refused as they should be.
    refused = refused.exclude(reason_code="processing_id")
    since = OrderMessage.objects.filter(
        source=OuterRef("source"), control_id=OuterRef("control_id"), answer=ACCEPTED
    )
    return [REFUSED] if refused.filter(~Exists(since)).exists() else []
