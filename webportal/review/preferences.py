"""Reading preferences: reading before seeing the model's result, and keyboard shortcuts."""

from webportal.accounts.models import User
from webportal.accounts.roles import SignedInRequest
from webportal.review.models import ReadingPreference

RESULTS_ARE_OPEN = "results_are_open"


def reads_first(reader: User) -> bool:
    """Whether this reader wants to read before seeing the model's result."""
    return ReadingPreference.objects.filter(reader=reader, reads_first=True).exists()


def has_shortcuts(reader: User) -> bool:
    """Whether this reader has single-character shortcuts on (WCAG 2.1.4 requires an off switch)."""
    return not ReadingPreference.objects.filter(reader=reader, has_shortcuts=False).exists()


def results_are_open(request: SignedInRequest) -> bool:
    """Whether this reader has opened the results of unread studies for this session."""
    return bool(request.session.get(RESULTS_ARE_OPEN, False))


def closes_results(request: SignedInRequest) -> bool:
    """Whether the pages hide results until this reader has signed."""
    return reads_first(request.user) and not results_are_open(request)
