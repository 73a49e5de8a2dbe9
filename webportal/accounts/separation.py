"""Separation of duties: roles that one user may not combine.

Users who assign roles must not read, sign or audit; auditors must not have a part in what they
audit. A single administrator cannot comply with this, so by default it is enforced from the day on
which there is a second one (ROLE_SEPARATION). It stays so, because otherwise either of them could
end it by deactivating the other.

An administrator can also sign in as whomever they have given a one-time password. What takes two
people therefore takes two accounts that have not just been given out by the same person.
"""

from collections import defaultdict
from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from webportal.accounts.models import Role, User
from webportal.audit.models import Action, AuditEntry

#: Roles that cannot be combined with IT.
APART_FROM_IT = (Role.RADIOLOGIST, Role.COORDINATOR, Role.REFERRER, Role.RESEARCHER, Role.AUDITOR)
#: Roles that take a second administrator's approval; see webportal.accounts.role_requests.
TAKE_TWO = (Role.IT, *APART_FROM_IT)
#: For how long somebody who gave out an account counts as one person with its owner.
APART = timedelta(days=3)
# With these, somebody other than its owner can sign in to an account.
_GIVING_ACCESS = (Action.USER_CREATED, Action.PASSWORD_CHANGED, Action.FACTORS_RESET)


def is_enforced() -> bool:
    """Whether separation of duties is currently enforced."""
    if settings.ROLE_SEPARATION != "auto":
        return bool(settings.ROLE_SEPARATION == "always")
    administrators = User.objects.filter(is_active=True, roles__contains=[Role.IT])
    return administrators.count() > 1 or _were_there_two()


def _were_there_two() -> bool:
    """Whether two users have been administrators so far, according to the trail."""
    became_one = Q(action=Action.USER_CREATED, detail__roles__contains=[Role.IT]) | Q(
        action=Action.USER_CHANGED, detail__roles__to__contains=[Role.IT]
    )
    found = AuditEntry.objects.filter(became_one).order_by("object_id").values("object_id")
    return len(found.distinct()[:2]) > 1


def may_be_one(first: UUID, second: UUID) -> bool:
    """Whether one person may be behind both accounts.

    That is so if somebody has given access to both of them within APART, or one of their owners to
    the other.
    """
    recent = AuditEntry.objects.filter(
        action__in=_GIVING_ACCESS, actor_id__isnull=False, at__gte=timezone.now() - APART
    )
    givers = defaultdict(set)
    for giver, account in recent.values_list("actor_id", "object_id"):
        givers[account].add(str(giver))
    return bool(_behind(str(first), givers) & _behind(str(second), givers))


def _behind(account: str, givers: dict[str, set[str]]) -> set[str]:
    """The account's owner, whoever gave access to it, whoever gave access to them, and so on."""
    found, new = {account}, {account}
    while new:
        new = {giver for each in new for giver in givers.get(each, ())} - found
        found |= new
    return found


def conflict(roles: Collection[str]) -> tuple[Role, Role] | None:
    """Two of the roles that may not be combined, or None."""
    held = [role for role in Role if role in roles]
    if Role.IT in held:
        for role in APART_FROM_IT:
            if role in held:
                return Role.IT, role
    if Role.AUDITOR in held and len(held) > 1:
        return Role.AUDITOR, next(role for role in held if role != Role.AUDITOR)
    return None
