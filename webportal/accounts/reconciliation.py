"""Comparing users, requests for roles and tokens with the audit trail."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from webportal.accounts.departments import memberships_of
from webportal.accounts.models import ApiToken, RoleRequest, TokenScope, User
from webportal.audit.models import Action
from webportal.audit.reconciliation import Check, Entries, differing_fields

_OUTCOMES: dict[str, str] = {
    Action.ROLES_APPROVED: "approved",
    Action.ROLES_REJECTED: "rejected",
    Action.ROLES_WITHDRAWN: "withdrawn",
}
_MEMBERSHIPS = ("departments", "head_of", "sees_all_departments")


def _differences_of_user(user: User, entries: Entries) -> Iterator[str]:
    roles, is_active = None, None
    recorded: dict[str, Any] = {}
    for entry in entries:
        if entry.action == Action.USER_CREATED:
            roles, is_active = entry.detail.get("roles"), entry.detail.get("active")
            recorded = {name: entry.detail[name] for name in _MEMBERSHIPS if name in entry.detail}
        elif entry.action == Action.USER_CHANGED:
            roles = entry.detail.get("roles", {}).get("to", roles)
            is_active = entry.detail.get("active", {}).get("to", is_active)
            recorded |= {
                name: entry.detail[name]["to"] for name in _MEMBERSHIPS if name in entry.detail
            }
    if roles is not None and sorted(roles) != sorted(user.roles):
        yield "roles"
    if is_active is not None and is_active != user.is_active:
        yield "is_active"
    # Nobody's departments are in the trail before the first change of them.
    yield from differing_fields(recorded, memberships_of(user))


def _differences_of_request(role_request: RoleRequest, entries: Entries) -> Iterator[str]:
    made = entries[0]
    row = {"user": str(role_request.user_id), "roles": role_request.roles}
    yield from differing_fields(made.detail, row)
    if made.actor_id != role_request.requested_by_id:
        yield "requested_by"
    decisions = [entry for entry in entries if entry.action in _OUTCOMES]
    decision = decisions[-1] if decisions else None
    if role_request.outcome != (_OUTCOMES[decision.action] if decision else ""):
        yield "outcome"
    if role_request.decided_by_id != (decision.actor_id if decision else None):
        yield "decided_by"


def _differences_of_token(token: ApiToken, entries: Entries) -> Iterator[str]:
    created = entries[0]
    # Tokens created before scopes existed have full access.
    detail = {"scope": TokenScope.ALL} | created.detail
    yield from differing_fields(detail, {"name": token.name, "scope": token.scope})
    if created.actor_id != token.user_id:
        yield "user"
    if any(entry.action == Action.TOKEN_REVOKED for entry in entries):
        yield "revoked"
    days = created.detail.get("days")
    if days is not None and not _is_near(token.expiry, created.at + timedelta(days=days)):
        yield "expiry"


def _is_near(expiry: datetime | None, due: datetime) -> bool:
    return expiry is not None and abs(expiry - due) < timedelta(minutes=10)


CHECKS = [
    Check(
        kind="user",
        rows=User.objects.all,
        made=(Action.USER_CREATED,),
        further=(Action.USER_CHANGED,),
        differences=_differences_of_user,
    ),
    Check(
        kind="role_request",
        rows=RoleRequest.objects.all,
        made=(Action.ROLES_REQUESTED,),
        further=tuple(Action(action) for action in _OUTCOMES),
        differences=_differences_of_request,
    ),
    Check(
        kind="token",
        rows=ApiToken.objects.all,
        made=(Action.TOKEN_CREATED,),
        further=(Action.TOKEN_REVOKED,),
        differences=_differences_of_token,
        key="token_key",
        # Expired ones are removed without an entry.
        is_kept=False,
    ),
]
