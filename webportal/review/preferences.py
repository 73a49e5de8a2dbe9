"""Reading preferences: whether a reader reads before the model, and by which keys."""

from webportal.accounts.models import User
from webportal.accounts.roles import SignedInRequest
from webportal.review.models import ReadingPreference

RESULTS_ARE_OPEN = "results_are_open"


def reads_first(reader: User) -> bool:
    """Whether this reader wants to read before seeing the model's result."""
    return ReadingPreference.objects.filter(reader=reader, reads_first=True).exists()


def has_shortcuts(reader: User) -> bool:
    """Whether single characters act for this reader (WCAG 2.1.4 wants a way to say no)."""
    return not ReadingPreference.objects.filter(reader=reader, has_shortcuts=False).exists()


def results_are_open(request: SignedInRequest) -> bool:
    """Whether this reader has opened the results of what is unread, for this session."""
    return bool(request.session.get(RESULTS_ARE_OPEN, False))


def closes_results(request: SignedInRequest) -> bool:
    """Whether the pages keep results closed that this reader's own read comes before."""
    return reads_first(request.user) and not results_are_open(request)
