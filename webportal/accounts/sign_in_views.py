"""The second step of signing in, and sign-in by passkey."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from webportal.accounts import passkeys, second_factor, sign_in
from webportal.accounts.forms import CodeForm
from webportal.accounts.models import User
from webportal.accounts.passkey_forms import answer_of, options_for
from webportal.accounts.passkeys import PasskeyError
from webportal.accounts.services import AccountError
from webportal.accounts.throttle import TooManyAttemptsError

# The purpose to which the browser's response is bound.
SIGN_IN = "sign-in"


@login_not_required
@require_http_methods(["GET", "POST"])
def second_step(request: HttpRequest) -> HttpResponse:
    """Ask a user whose password was correct for the second factor."""
    found = sign_in.waiting(request)
    if found is None:
        return redirect("accounts:sign-in")
    form = CodeForm(request.POST or None)
    status = 200
    if form.is_valid():
        try:
            factor = second_factor.use_code(request, found.user, form.cleaned_data["code"])
        except AccountError as error:
            sign_in.record_wrong_factor(request, found.user, "code")
            form.add_error("code", str(error))
        except TooManyAttemptsError as error:
            form.add_error("code", str(error))
            status = error.status
        else:
            return sign_in.complete(request, found.user, found.target, factor)
    context = {
        "form": form,
        "target": found.target,
        "has_app": second_factor.has_app(found.user),
        "has_passkey": found.user.passkeys.exists(),
        "no_passkeys": passkeys.why_unavailable(request),
    }
    return render(request, "accounts/second_step.html", context, status=status)


@login_not_required
@require_POST
def passkey_options(request: HttpRequest) -> HttpResponse:
    """The options for the browser to request a passkey for signing in."""
    return options_for(request, SIGN_IN, user=None)


@login_not_required
@require_POST
def passkey_sign_in(request: HttpRequest) -> HttpResponse:
    """Sign in by passkey alone.

    A passkey combines possession with knowledge or biometrics. It is not throttled by failed
    passwords: nobody can guess a signature.
    """
    try:
        passkey = passkeys.finish_asking(request, SIGN_IN, None, answer_of(request))
        if not passkey.user.is_active:
            sign_in.record_wrong_factor(request, passkey.user, second_factor.PASSKEY)
            raise PasskeyError(_("Your account is deactivated. Ask hospital IT."))
        _refuse_local(request, passkey.user)
    except (PasskeyError, sign_in.LocalSignInError) as error:
        context = {"error": str(error), "next": request.POST.get("next", "")}
        return render(request, "accounts/sign_in_refused.html", context, status=422)
    target = request.POST.get("next", "")
    return sign_in.complete(request, passkey.user, target, second_factor.PASSKEY)


def _refuse_local(request: HttpRequest, user: User) -> None:
    """Raise LocalSignInError, and have the trail say so, where passkeys sign this person not in."""
    try:
        sign_in.refuse_local(user)
    except sign_in.LocalSignInError:
        sign_in.record_wrong_factor(request, user, second_factor.PASSKEY, local_sign_in="off")
        raise
