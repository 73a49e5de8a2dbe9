"""The form that requests emergency access."""

from django import forms
from django.utils.translation import gettext_lazy as _

from webportal.records.identifiers import LONGEST


class EmergencyForm(forms.Form):
    """The patient and the reason."""

    number = forms.CharField(
        label=_("Patient ID or accession number"),
        max_length=LONGEST,
        help_text=_("Exactly as recorded. Names and partial numbers find nothing."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autofocus": True}),
    )
    issuer = forms.CharField(
        label=_("Issuer of the Patient ID"),
        max_length=LONGEST,
        required=False,
        help_text=_("Only if several patients have the same number."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    reason = forms.CharField(
        label=_("Reason"),
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("Others are notified of it at once, and it is reviewed afterwards."),
    )
    password = forms.CharField(
        label=_("Your password"),
        strip=False,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
