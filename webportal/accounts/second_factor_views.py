"""Users' own second factor: the authenticator app, passkeys and recovery codes."""

import uuid

import segno
from django.contrib import messages
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from webportal.accounts import codes, confirmation, encryption, providers, second_factor, services
from webportal.accounts import passkeys as keys
from webportal.accounts.confirmation import confirmed
from webportal.accounts.directory.passwords import is_of_directory
from webportal.accounts.forms import CodeForm, ConfirmForm, PasskeyForm
from webportal.accounts.models import Authenticator, Passkey, RecoveryCode
from webportal.accounts.roles import SignedInRequest, allow
from webportal.refusals import Refusal

# The encrypted secret for the app, until a code has verified it.
_NEW_SECRET = "new_app_secret"


@allow()
@require_http_methods(["GET", "POST"])
def confirm(request: SignedInRequest) -> HttpResponse:
    """Ask for the password before the second factor can be changed."""
    form = ConfirmForm(request.POST or None)
    if form.is_valid():
        try:
            services.confirm_password(request.user, form.cleaned_data["password"])
        except services.AccountError as error:
            form.add_error("password", str(error))
        else:
            confirmation.confirm(request.session)
            return redirect("accounts:second-factor")
    user = request.user
    has_password = user.has_usable_password() or is_of_directory(user)
    context = {
        "form": form,
        "has_password": has_password,
        "provider_address": providers.address(),
        "is_unproven": confirmation.is_unproven(request.session),
    }
    return render(request, "accounts/confirm.html", context)


@allow()
@require_safe
def overview(request: SignedInRequest) -> HttpResponse:
    """The user's second factors."""
    return _overview(request)


def _overview(
    request: SignedInRequest, form: PasskeyForm | None = None, status: int = 200
) -> HttpResponse:
    user = request.user
    context = {
        "app": Authenticator.objects.filter(user=user).first(),
        "passkeys": user.passkeys.all(),
        "codes_left": RecoveryCode.objects.filter(user=user).count(),
        "has_factor": second_factor.has_one(user),
        "is_missing": second_factor.is_missing(user),
        "is_required": second_factor.is_required(user),
        "no_passkeys": keys.why_unavailable(request),
        "form": form or PasskeyForm(),
        "is_confirmed": confirmation.is_confirmed(request.session),
    }
    return render(request, "accounts/second_factor.html", context, status=status)


@allow()
@confirmed
@require_http_methods(["GET", "POST"])
def app(request: SignedInRequest) -> HttpResponse:
    """Add an authenticator app: show its secret, and accept it with a correct code."""
    form = CodeForm(request.POST or None)
    kept = request.session.get(_NEW_SECRET)
    secret = encryption.decrypt(kept) if kept else codes.new_secret()
    if form.is_valid():
        try:
            made = second_factor.add_app(request.user, secret, form.cleaned_data["code"])
        except services.AccountError as error:
            form.add_error("code", str(error))
        else:
            request.session.pop(_NEW_SECRET, None)
            messages.success(request, _("The authenticator app has been added."))
            return _after_adding(request, made)
    request.session[_NEW_SECRET] = encryption.encrypt(secret)
    address = codes.address_of(secret, request.user.username, "Chestline")
    context = {
        "form": form,
        "secret": " ".join(secret[start : start + 4] for start in range(0, len(secret), 4)),
        "picture": segno.make(address).svg_data_uri(scale=5, border=3, light="#fff"),
    }
    return render(request, "accounts/app.html", context)


def _after_adding(request: SignedInRequest, made: list[str]) -> HttpResponse:
    if not made:
        return redirect("accounts:second-factor")
    return render(request, "accounts/recovery_codes.html", {"codes": made})


@allow()
@confirmed
@require_POST
def remove_app(request: SignedInRequest) -> HttpResponse:
    """Remove one's own authenticator app."""
    try:
        second_factor.remove_app(request.user)
    except services.AccountError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("The authenticator app has been removed."))
    return redirect("accounts:second-factor")


@allow()
@confirmed
@require_POST
def recovery_codes(request: SignedInRequest) -> HttpResponse:
    """Replace one's own recovery codes; they are shown once."""
    if not second_factor.has_one(request.user):
        return redirect("accounts:second-factor")
    return _after_adding(request, second_factor.make_recovery_codes(request.user))


@allow()
@require_POST
def new_passkey_options(request: SignedInRequest) -> HttpResponse:
    """The options for the browser to create a passkey."""
    if not confirmation.is_confirmed(request.session):
        detail = _("Confirm your password again first: reload this page.")
        return JsonResponse({"detail": detail}, status=422)
    try:
        return JsonResponse(keys.begin_making(request, request.user))
    except keys.PasskeyError as error:
        return JsonResponse({"detail": str(error)}, status=422)


@allow()
@confirmed
@require_POST
def passkeys(request: SignedInRequest) -> HttpResponse:
    """Add the passkey that the browser has created."""
    form = PasskeyForm(request.POST)
    if form.is_valid():
        answer, name = form.cleaned_data["passkey"], form.cleaned_data["name"]
        try:
            made = second_factor.add_passkey(request, request.user, answer, name)
        except Refusal as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _("The passkey has been added."))
            return _after_adding(request, made)
    return _overview(request, form, status=422)


@allow()
@confirmed
@require_POST
def remove_passkey(request: SignedInRequest, passkey_id: uuid.UUID) -> HttpResponse:
    """Remove one of one's own passkeys."""
    passkey = get_object_or_404(Passkey, pk=passkey_id, user=request.user)
    try:
        second_factor.remove_passkey(request.user, passkey)
    except services.AccountError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("The passkey has been removed."))
    return redirect("accounts:second-factor")
