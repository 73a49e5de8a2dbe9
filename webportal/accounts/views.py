"""Sign-in, personal password and tokens, and user management for hospital IT."""

import uuid
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from webportal.accounts import (
    approval,
    departments,
    locking,
    provider_sessions,
    providers,
    role_requests,
    second_factor,
    separation,
    services,
    sessions,
)
from webportal.accounts.devices import remember_device
from webportal.accounts.directory.passwords import is_of_directory
from webportal.accounts.forms import NewUserForm, PasswordForm, SignInForm, TokenForm, UserForm
from webportal.accounts.models import ApiToken, Role, RoleRequest, User
from webportal.accounts.passkeys import why_unavailable
from webportal.accounts.roles import SignedInRequest, allow
from webportal.accounts.sign_in import record_password, wait_for_second_step


class SignIn(LoginView):
    """The sign-in view, which remembers the browser and states how long to wait."""

    template_name = "accounts/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """Sign in, or continue with the second step."""
        user = form.get_user()
        if second_factor.has_one(user):
            wait_for_second_step(self.request, user, self.get_success_url())
            return redirect("accounts:second-step")
        record_password(self.request, user)
        response = super().form_valid(form)
        remember_device(self.request, response, user)
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add the available sign-in methods."""
        return super().get_context_data(
            no_passkeys=why_unavailable(self.request),
            provider_name=providers.name(),
            provider_address=providers.address(),
            has_local_sign_in=settings.LOCAL_SIGN_IN,
            has_directory=bool(settings.LDAP_URL),
            **kwargs,
        )

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        """Show the error; 429 or 503 if the password was not checked, 403 if it has expired."""
        response = super().form_invalid(form)
        refusal = form.refusal if isinstance(form, SignInForm) else None
        if refusal:
            response.status_code = refusal.status
        if refusal and refusal.retry_seconds:
            response.headers["Retry-After"] = str(refusal.retry_seconds)
        return response


sign_in = require_http_methods(["GET", "POST"])(login_not_required(SignIn.as_view()))
_sign_out = LogoutView.as_view()


@allow()
def sign_out(request: SignedInRequest) -> HttpResponseBase:
    """Sign out; if the session was locked, the browser notes that for the identity provider."""
    was_locked = locking.is_locked(request.session)
    response = _sign_out(request)
    if was_locked and isinstance(response, HttpResponse):
        provider_sessions.note_locked(response)
    return response


@allow()
@require_http_methods(["GET", "POST"])
def change_password(request: SignedInRequest) -> HttpResponse:
    """Change the password, or replace the one-time one."""
    form = PasswordForm(request.POST or None)
    if form.is_valid() and _change_password(request, form):
        messages.success(request, _("Your password is changed."))
        return redirect("home")
    return render(request, "accounts/change_password.html", {"form": form})


def _change_password(request: SignedInRequest, form: PasswordForm) -> bool:
    try:
        services.confirm_password(request.user, form.cleaned_data["current"])
    except services.AccountError as error:
        form.add_error("current", str(error))
        return False
    try:
        services.change_own_password(request.user, form.cleaned_data["new"])
    except ValidationError as error:
        form.add_error("new", error)
        return False
    except services.AccountError as error:
        form.add_error(None, str(error))
        return False
    update_session_auth_hash(request, request.user)
    return True


@allow()
@require_http_methods(["GET", "POST"])
def tokens(request: SignedInRequest) -> HttpResponse:
    """One's own API tokens; a new one is shown once."""
    form = TokenForm(request.POST or None)
    secret = _create_token(request, form) if form.is_valid() else None
    context = {
        "tokens": ApiToken.objects.filter(user=request.user).order_by("-created"),
        "form": form if secret is None else TokenForm(),
        "secret": secret,
        "now": timezone.now(),
        "most": settings.API_TOKENS_PER_PERSON,
    }
    return render(request, "accounts/tokens.html", context)


def _create_token(request: SignedInRequest, form: TokenForm) -> str | None:
    given = form.cleaned_data
    try:
        services.confirm_password(request.user, given["password"])
    except services.AccountError as error:
        form.add_error("password", str(error))
        return None
    try:
        return services.create_token(request.user, given["name"], given["days"], given["scope"])
    except services.AccountError as error:
        form.add_error(None, str(error))
        return None


@allow()
@require_safe
def own_sessions(request: SignedInRequest) -> HttpResponse:
    """The user's own sessions."""
    found = sessions.sessions_of(request.user, request.session)
    return render(request, "accounts/sessions.html", {"sessions": found})


@allow()
@require_POST
def end_session(request: SignedInRequest, session_id: uuid.UUID) -> HttpResponse:
    """End one of one's own sessions."""
    services.end_session(request.user, str(session_id))
    messages.success(request, _("That session has ended."))
    return redirect("accounts:sessions")


@allow()
@require_POST
def sign_out_everywhere(request: SignedInRequest) -> HttpResponse:
    """End all of one's own sessions, this one too."""
    services.sign_out_everywhere(request.user)
    # Recorded already; Django's own sign-out would record it again.
    request.session.flush()
    return redirect("accounts:sign-in")


@allow()
@require_POST
def revoke_token(request: SignedInRequest, token_key: str) -> HttpResponse:
    """Revoke one of one's own tokens."""
    token = get_object_or_404(ApiToken, token_key=token_key, user=request.user)
    services.revoke_token(token, request.user)
    messages.success(request, _("The token is revoked."))
    return redirect("accounts:tokens")


@allow(Role.IT)
@require_http_methods(["GET", "POST"])
def users(request: SignedInRequest) -> HttpResponse:
    """All users, and a form for a new one, whose one-time password is shown once."""
    form = NewUserForm(request.POST or None)
    created = None
    if form.is_valid():
        try:
            created = services.create_user(**form.cleaned_data, by=request.user)
        except services.AccountError as error:
            form.add_error(None, str(error))
        else:
            form = NewUserForm()
    return _users_page(request, form, created)


def _in_conflict(people: Iterable[User]) -> list[uuid.UUID]:
    """The users whose roles have to be separated, if separation is enforced here."""
    if not separation.is_enforced():
        return []
    return [person.pk for person in people if separation.conflict(person.roles)]


def _users_page(
    request: SignedInRequest, form: NewUserForm, created: tuple[User, str] | None
) -> HttpResponse:
    people = User.objects.filter(is_node=False)
    waiting = RoleRequest.objects.filter(outcome="").select_related("user", "requested_by")
    context = {
        "waiting": waiting,
        "of_created": waiting.filter(user=created[0]).first() if created else None,
        "takes_two": separation.is_enforced(),
        "users": people.prefetch_related("departments"),
        "has_departments": departments.only_department() is None,
        "form": form,
        "created": created,
        "hours": settings.ONE_TIME_PASSWORD_HOURS,
        "in_conflict": _in_conflict(people),
    }
    return render(request, "accounts/users.html", context)


@allow(Role.IT)
@require_http_methods(["GET", "POST"])
def user(request: SignedInRequest, user_id: uuid.UUID) -> HttpResponse:
    """Change a user's roles, or deactivate them."""
    person = get_object_or_404(User, pk=user_id, is_node=False)
    form = UserForm(request.POST or None, instance=User.objects.get(pk=user_id))
    if form.is_valid():
        if form.is_outdated():
            words = _(
                "Somebody else has changed {name} since you opened this page, so nothing was saved."
                " Check the roles below."
            )
            messages.error(request, words.format(name=person))
            return redirect("accounts:user", person.pk)
        try:
            _change(person, form, request.user)
        except (services.AccountError, departments.DepartmentError) as error:
            form.add_error(None, str(error))
        else:
            _tell_of_change(request, person)
            return redirect("accounts:users")
    waiting = role_requests.open_request_of(person)
    context = {
        "person": person,
        "role_request": waiting,
        "why_not": approval.why_not(waiting, request.user) if waiting else "",
        "needs_command": waiting is not None and approval.needs_command(waiting),
        "takes_two": separation.is_enforced(),
        "form": form,
        "has_second_factor": second_factor.has_one(person),
        "is_of_directory": is_of_directory(person),
    }
    return render(request, "accounts/user.html", context)


def _tell_of_change(request: SignedInRequest, person: User) -> None:
    messages.success(request, _("{name} is changed.").format(name=person))
    waiting = role_requests.open_request_of(person)
    if waiting is not None:
        words = _("Waiting until another member of hospital IT approves: {roles}.")
        messages.warning(request, words.format(roles=", ".join(waiting.role_labels)))


@transaction.atomic
def _change(person: User, form: UserForm, by: User) -> None:
    given = form.cleaned_data
    services.change_user(person, roles=given["roles"], is_active=given["is_active"], by=by)
    memberships = form.memberships()
    if memberships is not None:
        departments.set_memberships(person, by, **memberships)


@allow(Role.IT)
@require_POST
def reset_second_factor(request: SignedInRequest, user_id: uuid.UUID) -> HttpResponse:
    """Remove the second factor of a user who has lost it."""
    person = get_object_or_404(User, pk=user_id)
    try:
        second_factor.reset(person, request.user)
    except services.AccountError as error:
        messages.error(request, str(error))
    else:
        messages.success(
            request,
            _("The second factor of {name} has been removed, and they have been notified.").format(
                name=person
            ),
        )
    return redirect("accounts:user", person.pk)


@allow(Role.IT)
@require_POST
def reset_password(request: SignedInRequest, user_id: uuid.UUID) -> HttpResponse:
    """Set a new one-time password for a user, shown once."""
    person = get_object_or_404(User, pk=user_id, is_node=False)
    try:
        password = services.reset_password(person, request.user)
    except services.AccountError as error:
        messages.error(request, str(error))
        return redirect("accounts:user", person.pk)
    return _users_page(request, NewUserForm(), (person, password))
