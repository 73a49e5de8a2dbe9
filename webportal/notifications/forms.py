"""Form of a person's e-mail preferences."""

from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from webportal.accounts.models import Role, User
from webportal.accounts.roles import UPLOADERS
from webportal.notifications.models import Kind

# Who is told of what; see webportal.notifications.run.
ROLES = {
    Kind.BATCH_DONE: UPLOADERS,
    Kind.STUDIES_SIGNED: UPLOADERS,
    Kind.STAT_UNREAD: (Role.RADIOLOGIST,),
    Kind.STUDIES_ASSIGNED: (Role.RADIOLOGIST,),
    Kind.READ_OVERRULED: (Role.RADIOLOGIST,),
    Kind.IDENTITY_CORRECTED: (Role.RADIOLOGIST,),
    Kind.REPORTS_READY: (Role.REFERRER,),
    Kind.SYSTEM_ALERT: (Role.IT,),
}


class MailForm(forms.Form):
    """E-mail address, and kinds to send."""

    email = forms.EmailField(
        label=_("Your e-mail address"), required=False, max_length=254, widget=forms.EmailInput
    )

    def __init__(self, person: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = [
            (kind.value, kind.label) for kind, roles in ROLES.items() if person.has_role(*roles)
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
