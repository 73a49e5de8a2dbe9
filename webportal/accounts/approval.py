"""Deciding on roles that another administrator has given; see webportal.accounts.role_requests."""

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils.translation import gettext as _

from webportal.accounts import separation, services
from webportal.accounts.confirmation import confirm_identity
from webportal.accounts.models import Passkey, RequestOutcome, Role, RoleRequest, User
from webportal.accounts.role_requests import close, open_request_of
from webportal.accounts.services import AccountError
from webportal.audit.models import Action
from webportal.audit.trail import Event, append, append_all


def why_not(role_request: RoleRequest, by: User) -> str:
    """Why this administrator cannot approve the request; empty if nothing speaks against it.

    Where separation of duties is not enforced, any administrator can, as they could give the roles.
    """
    if not role_request.user.is_active:
        return _("{name} may not sign in.").format(name=role_request.user)
    if not separation.is_enforced():
        return ""
    requester = role_request.requested_by
    if by in (requester, role_request.user):
        return _("Another member of hospital IT has to approve these roles.")
    if not _is_administrator(requester):
        return _(
            "{name} gave these roles and is no longer in hospital IT. Reject them; you can then"
            " give them yourself, for somebody else to approve."
        ).format(name=requester)
    if separation.may_be_one(by.pk, requester.pk):
        return _(
            "Somebody has created or reset both your account and that of {name} within three days,"
            " or one of you the other’s: ask another member of hospital IT to approve these roles."
        ).format(name=requester)
    return ""


def needs_command(role_request: RoleRequest) -> bool:
    """Whether none of the administrators can approve the request, so that only the host can.

    On a new installation, for instance: the first two count as one person.
    """
    administrators = User.objects.filter(is_active=True, roles__contains=[Role.IT])
    return role_request.user.is_active and all(
        why_not(role_request, each) for each in administrators
    )


def approve(role_request: RoleRequest, secret: Passkey | str, by: User) -> None:
    """Give the user the roles that somebody else has requested for them.

    Raises AccountError if the person may not (`why_not`), the password is wrong, somebody has
    decided meanwhile, or the user could not combine the roles with those they have now;
    PermissionDenied if `by` no longer has the role IT.
    """
    _refuse(role_request, by)
    confirm_identity(by, secret)
    with transaction.atomic():
        locked = _lock(role_request, by)
        _refuse(locked, by)
        _give(locked, by)


@transaction.atomic
def approve_by_command(user: User) -> list[str]:
    """Approve a user's request on the command line, whose users have full access anyway.

    Returns the roles. Raises AccountError if there is no request, the user is deactivated, or the
    roles may not be combined.
    """
    found = open_request_of(user)
    if found is None:
        raise AccountError(_("No roles of this user wait for approval."))
    locked = _lock(found, None)
    if not locked.user.is_active:
        raise AccountError(why_not(locked, locked.requested_by))
    _give(locked, None)
    return list(locked.roles)


@transaction.atomic
def turn_down(role_request: RoleRequest, by: User) -> RequestOutcome:
    """Withdraw one's own request, or reject another's; return which.

    Raises AccountError if somebody has decided meanwhile; PermissionDenied if `by` no longer has
    the role IT.
    """
    locked = _lock(role_request, by)
    is_own = locked.requested_by_id == by.pk
    outcome = RequestOutcome.WITHDRAWN if is_own else RequestOutcome.REJECTED
    append(close(locked, outcome, by), by)
    return outcome


def _refuse(role_request: RoleRequest, by: User) -> None:
    if reason := why_not(role_request, by):
        raise AccountError(reason)


def _is_administrator(person: User) -> bool:
    return person.is_active and person.has_role(Role.IT)


def _lock(role_request: RoleRequest, by: User | None) -> RoleRequest:
    """The open request with its people, locked in the order in which `change_user` locks them."""
    wanted = {role_request.user_id, role_request.requested_by_id} | ({by.pk} if by else set())
    rows = User.objects.select_for_update(no_key=True).filter(pk__in=wanted).order_by("pk")
    people = {person.pk: person for person in rows}
    if by is not None and not _is_administrator(people[by.pk]):
        raise PermissionDenied
    locked = RoleRequest.objects.select_for_update().filter(pk=role_request.pk, outcome="").first()
    if locked is None:
        raise AccountError(_("Somebody else has decided on it already."))
    locked.user, locked.requested_by = people[locked.user_id], people[locked.requested_by_id]
    return locked


def _give(locked: RoleRequest, by: User | None) -> None:
    user = locked.user
    before, after = user.roles, sorted({*user.roles, *locked.roles})
    services.refuse_conflict(after)
    user.roles = after
    user.save(update_fields=["roles"])
    detail = {
        "roles": {"from": before, "to": after},
        "requested_by": str(locked.requested_by_id),
    }
    approved = close(locked, RequestOutcome.APPROVED, by)
    append_all([approved, Event(Action.USER_CHANGED, "user", user.pk, detail=detail)], by)
