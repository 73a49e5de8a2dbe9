"""Form of a person's e-mail preferences."""

from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from webportal.accounts.models import User
from webportal.notifications.kinds import KINDS


class MailForm(forms.Form):
    """E-mail address, and kinds to send."""

    email = forms.EmailField(
        label=_("Your e-mail address"), required=False, max_length=254, widget=forms.EmailInput
    )

    def __init__(self, person: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = [
            (kind.value, kind.label)
            for kind, details in KINDS.items()
            if person.has_role(*details.roles)
        ]
        self.fields["kinds"] = forms.MultipleChoiceField(
            label=_("E-mail me when"),
            required=False,
            choices=offered,
            widget=forms.CheckboxSelectMultiple,
        )

    def clean(self) -> dict[str, Any]:
        """Require an address for e-mail."""
        fields = self.cleaned_data
        if fields.get("kinds") and not fields.get("email") and "email" not in self.errors:
            self.add_error("email", gettext("Enter the e-mail address."))
        return fields
