"""Roles that an administrator gives take effect once a second one approves them.

A single member of hospital IT could otherwise create an account that reads, signs or audits, and
use its one-time password. It applies where separation of duties is enforced, to every role but the
harmless ones, also when an account that holds such roles is reactivated. An identity provider or a
directory gives roles by its groups, which are not hospital IT's alone.

Deciding on requests is in webportal.accounts.approval.
"""

from collections.abc import Collection

from django.dispatch import Signal
from django.utils import timezone

from webportal.accounts import separation
from webportal.accounts.models import RequestOutcome, RoleRequest, User
from webportal.audit.models import Action
from webportal.audit.trail import Event

#: A request was made, or closed (`role_request`); sent within the transaction.
requested = Signal()
closed = Signal()

_ACTIONS = {
    RequestOutcome.APPROVED: Action.ROLES_APPROVED,
    RequestOutcome.REJECTED: Action.ROLES_REJECTED,
    RequestOutcome.WITHDRAWN: Action.ROLES_WITHDRAWN,
}


def to_approve(roles: Collection[str], held: Collection[str]) -> list[str]:
    """Those of `roles` that somebody who holds `held` gets only with a second approval."""
    if not separation.is_enforced():
        return []
    return sorted((set(roles) - set(held)) & set(separation.TAKE_TWO))


def open_request_of(user: User) -> RoleRequest | None:
    """The user's request that nobody has decided on."""
    return (
        RoleRequest.objects.filter(user=user, outcome="")
        .select_related("user", "requested_by")
        .first()
    )


def request(user: User, roles: list[str], by: User) -> list[Event]:
    """Request roles for a user, in the caller's transaction; return the entries to append.

    It replaces an open request, whoever made it, so that nobody approves what is not wanted any
    more. The caller has locked the user's row, unless they are new.
    """
    before = _locked_request_of(user)
    if before is not None and (before.requested_by_id, before.roles) == (by.pk, roles):
        return []
    events = [] if before is None else [close(before, RequestOutcome.WITHDRAWN, by, replaced=True)]
    made = RoleRequest.objects.create(
        user=user, roles=roles, requested_by=by, requested_at=timezone.now()
    )
    requested.send(sender=RoleRequest, role_request=made)
    detail = {"user": str(user.pk), "roles": roles}
    return [*events, Event(Action.ROLES_REQUESTED, "role_request", made.pk, detail=detail)]


def withdraw_of(user: User, by: User) -> list[Event]:
    """Close the open request of a user who is deactivated; return the entries to append."""
    found = _locked_request_of(user)
    return [] if found is None else [close(found, RequestOutcome.WITHDRAWN, by, deactivated=True)]


def close(
    role_request: RoleRequest, outcome: RequestOutcome, by: User | None, **detail: bool
) -> Event:
    """Close an open request, whose row the caller has locked; return the entry to append."""
    role_request.outcome = outcome
    role_request.decided_by, role_request.decided_at = by, timezone.now()
    role_request.save(update_fields=["outcome", "decided_by", "decided_at"])
    closed.send(sender=RoleRequest, role_request=role_request)
    said = {
        "user": str(role_request.user_id),
        "roles": role_request.roles,
        "requested_by": str(role_request.requested_by_id),
    }
    return Event(_ACTIONS[outcome], "role_request", role_request.pk, detail=said | detail)


def _locked_request_of(user: User) -> RoleRequest | None:
    return RoleRequest.objects.select_for_update().filter(user=user, outcome="").first()
