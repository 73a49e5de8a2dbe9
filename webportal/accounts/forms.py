"""Forms for signing in, passwords and users."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.password_validation import password_validators_help_texts
from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_noop, ngettext, ngettext_lazy
from django.utils.translation import gettext_lazy as _

from webportal.accounts.departments import only_department
from webportal.accounts.models import Department, Role, TokenScope, User
from webportal.accounts.services import USUAL_TOKEN_DAYS
from webportal.refusals import Refusal

# Django has no translations of these.
gettext_noop("Your password can’t be too similar to your other personal information.")
gettext_noop("Your password can’t be a commonly used password.")
gettext_noop("Your password can’t be entirely numeric.")
ngettext_lazy(
    "This password is too short. It must contain at least %d character.",
    "This password is too short. It must contain at least %d characters.",
)


class SignInForm(AuthenticationForm):
    """User name and password."""

    #: The reason why the password was not checked, if so.
    refusal: Refusal | None = None

    def clean(self) -> dict[str, Any]:
        """Check the password, or say how long to wait."""
        try:
            return super().clean()
        except Refusal as refusal:
            self.refusal = refusal
            raise forms.ValidationError(refusal.message, code=refusal.code) from refusal


class PasswordForm(forms.Form):
    """Change the user's own password, confirming the current one."""

    current = forms.CharField(
        label=_("Current password"),
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True}),
    )
    new = forms.CharField(
        label=_("New password"),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    again = forms.CharField(
        label=_("New password, again"),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Set here, because the page's language is not known at import.
        self.fields["new"].help_text = " ".join(password_validators_help_texts())

    def clean(self) -> None:
        """Reject new passwords that differ."""
        super().clean()
        if self.cleaned_data.get("new") != self.cleaned_data.get("again"):
            self.add_error(
                "again", gettext("The two new passwords differ; type the same one twice.")
            )


class ConfirmForm(forms.Form):
    """The password again."""

    password = forms.CharField(
        label=_("Your password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True}),
    )


class CodeForm(forms.Form):
    """A code of the authenticator app, or a recovery code."""

    code = forms.CharField(
        label=_("Code"),
        max_length=20,
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "autofocus": True, "spellcheck": "false"}
        ),
    )


class PasskeyForm(forms.Form):
    """A new passkey: its name, and the browser's credential (frontend/src/passkeys.ts)."""

    name = forms.CharField(
        label=_("Name"),
        max_length=60,
        help_text=_("For example the device it is on. Only you see it."),
    )
    passkey = forms.JSONField(
        widget=forms.HiddenInput,
        error_messages={"required": _("The browser created no passkey. Try again.")},
    )


class TokenForm(forms.Form):
    """A new API token."""

    name = forms.CharField(
        label=_("Used by"),
        max_length=100,
        help_text=_("For example the program and the machine it runs on."),
    )
    scope = forms.ChoiceField(
        label=_("Permissions"), choices=TokenScope.choices, initial=TokenScope.ALL
    )
    days = forms.TypedChoiceField(label=_("Valid for"), coerce=int)
    password = forms.CharField(
        label=_("Your password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        most: int = settings.API_TOKEN_DAYS
        offered = [days for days in (30, USUAL_TOKEN_DAYS, 365) if days < most] + [most]
        choices = [
            (days, ngettext("{days} day", "{days} days", days).format(days=days))
            for days in offered
        ]
        field = self.fields["days"]
        assert isinstance(field, forms.TypedChoiceField)
        field.choices, field.initial = choices, min(USUAL_TOKEN_DAYS, most)


class DepartmentForm(forms.Form):
    """The name of a department, new or changed."""

    name = forms.CharField(label=_("Name"), max_length=100)


def _choose_departments(label: str | Promise, help_text: str | Promise = "") -> Any:
    return forms.ModelMultipleChoiceField(
        Department.objects.all(),
        label=label,
        required=False,
        help_text=help_text,
        widget=forms.CheckboxSelectMultiple,
    )


class NewUserForm(forms.ModelForm[User]):
    """Hospital IT adds a user."""

    departments = _choose_departments(_("Departments"))

    roles = forms.MultipleChoiceField(
        label=_("Roles"), choices=Role.choices, widget=forms.CheckboxSelectMultiple
    )

    class Meta:
        model = User
        fields = ["username", "full_name", "roles"]
        labels = {"full_name": _("Full name")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if only_department():
            del self.fields["departments"]

    def clean_username(self) -> str:
        """Reject a name that differs from another only in case: they would be confused."""
        name: str = self.cleaned_data["username"]
        if User.objects.filter(username__iexact=name).exists():
            taken = User._meta.get_field("username").error_messages["unique"]
            raise forms.ValidationError(taken, code="unique")
        return name


class UserForm(forms.ModelForm[User]):
    """Hospital IT changes a user's roles and access."""

    roles = forms.MultipleChoiceField(
        label=_("Roles"), choices=Role.choices, widget=forms.CheckboxSelectMultiple, required=False
    )

    departments = _choose_departments(_("Departments"), _("Whose studies the person sees."))
    heads = _choose_departments(
        _("Head of"), _("Is notified of emergency access to patients of these departments.")
    )

    #: What the page showed, so that nobody takes back unseen what a colleague has done since.
    as_shown = forms.CharField(required=False, widget=forms.HiddenInput)

    class Meta:
        model = User
        fields = ["roles", "sees_all_departments", "is_active"]
        labels = {
            "is_active": _("May sign in"),
            "sees_all_departments": _("Sees all departments"),
        }
        help_texts = {"sees_all_departments": _("Also those that are added later.")}

    field_order = ["roles", "departments", "sees_all_departments", "heads", "is_active"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Read now, because validation changes the instance.
        self._stored = " ".join([str(self.instance.is_active), *sorted(self.instance.roles)])
        self.initial["as_shown"] = self._stored
        if only_department():
            for name in ("departments", "heads", "sees_all_departments"):
                del self.fields[name]
            return
        members = self.instance.memberships.select_related("department")
        self.initial["departments"] = [each.department for each in members]
        self.initial["heads"] = [each.department for each in members if each.is_head]

    def is_outdated(self) -> bool:
        """Whether roles or access have changed since the page was shown."""
        return self.cleaned_data["as_shown"] not in ("", self._stored)

    def memberships(self) -> dict[str, Any] | None:
        """The departments chosen, None where there is only one."""
        given = self.cleaned_data
        if "departments" not in self.fields:
            return None
        return {
            "departments": list(given["departments"]),
            "heads": list(given["heads"]),
            "sees_all": given["sees_all_departments"],
        }
