"""The notifications that a person is shown."""

from django.db.models import Exists, OuterRef, Q, QuerySet

from webportal.accounts.models import User
from webportal.notifications.kinds import kinds_of
from webportal.notifications.models import Notification
from webportal.notifications.services import reads_without_result
from webportal.records.models import Study
from webportal.records.visibility import scope_of


def notifications_of(person: User) -> QuerySet[Notification]:
    """A person's notifications, newest first.

    Those of a role that was taken away are left out, and so are those that reveal a model result
    for people who have since chosen to read first; the next run of the scheduler gives them the
    number of all stat studies.
    """
    notifications = Notification.objects.filter(recipient=person).select_related(
        "batch", "alert", "correction", "emergency__person", "recipient", "role_request__user"
    )
    notifications = notifications.filter(_is_visible(person), kind__in=kinds_of(person))
    return notifications.filter(category="") if reads_without_result(person) else notifications


def _is_visible(person: User) -> Q:
    """Those about something that the person still sees: departments change."""
    scope = scope_of(person)
    if scope.departments is None:
        return Q()  # the conditions of the scope are empty, and an empty one makes no alternative
    studies = Study.objects.visible_to(person).filter(identity_corrections=OuterRef("correction"))
    return (
        (Q(study=None) | scope.of_studies("study"))
        & (Q(batch=None) | scope.of_departments("batch__department"))
        & (Q(correction=None) | Q(Exists(studies)))
    )


def unread_count(person: User) -> int:
    """Number of unread ones."""
    return notifications_of(person).filter(read_at=None).count()
