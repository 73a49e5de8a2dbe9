"""The page where radiologists choose their signing PIN."""

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from webportal.accounts.models import Role
from webportal.accounts.roles import SignedInRequest, allow
from webportal.accounts.services import AccountError
from webportal.review.reads import authentication

# Field prefix on a study page, which has other password fields.
OFFER = "offer"


class PinForm(forms.Form):
    """A new signing PIN, or none, confirmed with the password."""

    pin = forms.CharField(
        label=gettext_lazy("New PIN"),
        required=False,
        max_length=12,
        help_text=gettext_lazy("6 to 12 digits. Leave it empty to remove your PIN."),
        widget=forms.PasswordInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )
    again = forms.CharField(
        label=gettext_lazy("New PIN, again"),
        required=False,
        max_length=12,
        widget=forms.PasswordInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )
    password = forms.CharField(
        label=gettext_lazy("Your password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def clean(self) -> dict[str, str]:
        """Reject PINs that differ."""
        values = super().clean() or {}
        if values.get("pin") != values.get("again"):
            self.add_error("again", _("The two PINs differ."))
        return values


@allow(Role.RADIOLOGIST)
@require_http_methods(["GET", "POST"])
def signing_pin(request: SignedInRequest) -> HttpResponse:
    """Choose, change or remove one's own signing PIN; a study page gets only the form back."""
    if "HX-Request" in request.headers:
        return _offered_pin(request)
    form = PinForm(request.POST or None)
    if form.is_valid():
        try:
            authentication.set_pin(
                request.user, form.cleaned_data["password"], form.cleaned_data["pin"]
            )
        except AccountError as error:
            form.add_error(None, str(error))
        else:
            removed = not form.cleaned_data["pin"]
            messages.success(
                request, _("Your PIN is removed.") if removed else _("Your PIN is set.")
            )
            return redirect("review:signing-pin")
    context = {
        "form": form,
        "has_pin": authentication.has_pin(request.user),
        "minutes": settings.SIGNING_PIN_MINUTES,
    }
    return render(
        request, "review/session/signing_pin.html", context, status=422 if form.is_bound else 200
    )


def _offered_pin(request: SignedInRequest) -> HttpResponse:
    """Set the PIN offered on a study page after a signature."""
    form = PinForm(request.POST or None, prefix=OFFER)
    is_set = False
    if form.is_valid():
        pin = form.cleaned_data["pin"]
        try:
            if not pin:
                raise AccountError(_("Type the PIN that you choose."))
            authentication.set_pin(request.user, form.cleaned_data["password"], pin)
            is_set = True
        except AccountError as error:
            form.add_error(None, str(error))
    return render(
        request, "review/session/pin_offer.html", {"pin_form": form, "pin_is_set": is_set}
    )
