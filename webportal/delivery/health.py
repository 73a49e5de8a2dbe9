"""Whether deliveries need attention: for hospital IT's alerts."""

from datetime import timedelta

from django.db.models import QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from webportal.database.clock import clock
from webportal.delivery.models import Delivery, DeliveryState, Destination

REJECTED = "delivery_rejected"
AWAY = "delivery_away"
# Long enough for a PACS to restart without an alert.
LONGEST_AWAY = timedelta(minutes=15)

WORDS: dict[str, str | Promise] = {
    REJECTED: _(
        "A destination has rejected reports or results or has not confirmed that they are stored,"
        " or they cannot be created or sent. The reason is in the outbox, under Destinations."
        " Correct the cause, then send them again or cancel them."
    ),
    AWAY: _(
        "A destination of reports or results has been unreachable for more than 15 minutes, and"
        " deliveries to it are waiting. Test it or pause it under Destinations."
    ),
}


def rejected() -> QuerySet[Delivery]:
    """The rejected deliveries of destinations in use."""
    return Delivery.objects.filter(state=DeliveryState.REJECTED, destination__removed_at=None)


def away() -> QuerySet[Destination]:
    """The destinations that have not been reached for too long."""
    return Destination.objects.filter(
        removed_at=None, is_paused=False, away_since__lt=clock() - LONGEST_AWAY
    )


def problems() -> list[str]:
    """The codes of the alerts that apply now."""
    found = [REJECTED] if rejected().exists() else []
    return [*found, AWAY] if away().exists() else found
