"""Whether the inbox needs attention: for hospital IT's alerts, and the metrics."""

from datetime import timedelta

from django.db.models import Count, Min
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from webportal.network.inbox import kept_alone
from webportal.network.models import InboxState, ReceivedInstance

REFUSED = "received_refused"
WAITING = "received_waiting"
ALONE = "received_alone"
# Well above the longest time that `importing` waits for a study.
LONGEST_WAIT = timedelta(minutes=30)

WORDS: dict[str, str | Promise] = {
    REFUSED: _(
        "Images that came over the DICOM network were refused, or have no known sender. They are"
        " in no study until somebody decides on them in the inbox on the DICOM page."
    ),
    WAITING: _(
        "Images that came over the DICOM network have been waiting for more than half an hour."
        " Check that the receiver runs, and that storage and database take files."
    ),
    ALONE: _(
        "Reports, key objects or presentation states are kept in the inbox of whose studies no"
        " image has come for a month. Find out whether images are missing, then discard them in"
        " the inbox on the DICOM page."
    ),
}


def problems() -> list[str]:
    """The codes of the problems that need attention."""
    rows = ReceivedInstance.objects.order_by()
    found = []
    if rows.filter(state__in=[InboxState.REFUSED, InboxState.FOUND]).exists():
        found.append(REFUSED)
    longest = timezone.now() - LONGEST_WAIT
    if rows.filter(state=InboxState.WAITING, received_at__lt=longest).exists():
        found.append(WAITING)
    if kept_alone().exists():
        found.append(ALONE)
    return found


def undecided_by_state() -> dict[InboxState, int]:
    """How many instances wait for the import, or for a person's decision."""
    states = (InboxState.WAITING, InboxState.REFUSED, InboxState.FOUND)
    rows = ReceivedInstance.objects.filter(state__in=states).order_by().values("state")
    return dict.fromkeys(states, 0) | {
        InboxState(row["state"]): row["count"] for row in rows.annotate(count=Count("pk"))
    }


def longest_in_inbox() -> timedelta:
    """How long the oldest waiting instance has waited; zero if none does."""
    waiting = ReceivedInstance.objects.filter(state=InboxState.WAITING).order_by()
    oldest = waiting.aggregate(oldest=Min("received_at"))["oldest"]
    return max(timezone.now() - oldest, timedelta(0)) if oldest else timedelta(0)
