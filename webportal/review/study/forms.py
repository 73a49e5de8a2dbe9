"""Forms of the study page."""

import uuid
from typing import Any

from django import forms
from django.core.validators import MaxLengthValidator
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from webportal.accounts import passkey_forms
from webportal.accounts.departments import who_sees
from webportal.accounts.models import Role, User
from webportal.records.choices import Symptom
from webportal.records.fields import LONGEST_TEXTS
from webportal.records.identifiers import validate_identifier
from webportal.records.identity import version_of
from webportal.records.models import Study
from webportal.review.models import Decision, OtherFinding, Pneumonia, Read, ReadKind, Zone
from webportal.review.reads.marks import Mark, parse_marks
from webportal.review.reads.measurements import (
    Measurement,
    parse_measurements,
    with_formatted_values,
)
from webportal.review.reads.services import Entry
from webportal.review.reads.signed_identity import parse_identity
from webportal.review.study.case_records import CASE_RECORD_FIELDS

_PAIRS = [
    *(f"{decision}:{finding}" for decision in Decision.values for finding in Pneumonia.values),
    f"{Decision.NOT_INTERPRETABLE}:",
]


class IdentityFields(forms.Form):
    """The patient's identity when the page was rendered, and whether a change was acknowledged.

    `identity` is JSON as `shown_identity` has it; `identity_acknowledged` the fingerprint of the
    changed identity shown on the page.
    """

    identity = forms.CharField(required=False, widget=forms.HiddenInput)
    identity_acknowledged = forms.CharField(required=False)

    def seen_identity(self) -> dict[str, str]:
        """Return the identity submitted with the page; {} if none."""
        return parse_identity(self.data.get("identity", "")) or {}

    def acknowledged_identity(self) -> str:
        """Return the fingerprint of the identity that the reader acknowledged by submitting."""
        seen = self.seen_identity()
        acknowledged: str = self.cleaned_data["identity_acknowledged"]
        return acknowledged or (version_of(seen) if seen else "")


class ReadForm(IdentityFields):
    """A reader's input. `choice` is a decision and a finding, joined by a colon."""

    seen = forms.UUIDField(required=False, widget=forms.HiddenInput)
    images = forms.IntegerField(required=False, widget=forms.HiddenInput)
    kind = forms.ChoiceField(
        choices=[("", ""), *ReadKind.choices], required=False, widget=forms.HiddenInput
    )
    choice = forms.ChoiceField(
        choices=[("", ""), *((pair, pair) for pair in _PAIRS)], required=False
    )
    zones = forms.MultipleChoiceField(
        choices=Zone.choices, required=False, widget=forms.CheckboxSelectMultiple
    )
    other_findings = forms.MultipleChoiceField(
        choices=OtherFinding.choices,
        required=False,
        widget=forms.CheckboxSelectMultiple(attrs={"class": "form-check-input"}),
    )
    marks = forms.JSONField(required=False, widget=forms.HiddenInput)
    measurements = forms.JSONField(required=False, widget=forms.HiddenInput)
    comment = forms.CharField(
        required=False,
        max_length=10_000,
        widget=forms.Textarea(attrs={"rows": 3, "class": "form-control"}),
    )
    despite_reservation = forms.BooleanField(required=False)
    version = forms.CharField(required=False, widget=forms.HiddenInput)
    amends = forms.UUIDField(required=False, widget=forms.HiddenInput)
    reason = forms.CharField(
        label=_("Why you amend it"),
        required=False,
        max_length=200,
        widget=forms.TextInput(attrs={"class": "form-control form-control-sm"}),
    )
    password = forms.CharField(
        required=False,
        strip=False,
        # The browser must not autofill the password: two keystrokes would then sign.
        widget=forms.PasswordInput(
            attrs={"autocomplete": "new-password", "class": "form-control form-control-sm"}
        ),
    )

    def clean_marks(self) -> tuple[Mark, ...]:
        """Parse the marks; their positions are checked when the read is saved."""
        try:
            return parse_marks(self.cleaned_data["marks"] or [])
        except ValueError as error:
            raise forms.ValidationError(_("The marks on the images cannot be read.")) from error

    def clean_measurements(self) -> tuple[Measurement, ...]:
        """Parse the measurements; their values are computed when the read is saved."""
        try:
            return parse_measurements(self.cleaned_data["measurements"] or [])
        except ValueError as error:
            raise forms.ValidationError(_("The measurements cannot be read.")) from error

    def entry(self) -> Entry:
        """Return the entry of a valid form."""
        decision, _, finding = self.cleaned_data["choice"].partition(":")
        return Entry(
            seen=self.cleaned_data["seen"],
            decision=decision,
            pneumonia=finding,
            zones=tuple(self.cleaned_data["zones"]),
            other_findings=tuple(self.cleaned_data["other_findings"]),
            marks=self.cleaned_data["marks"],
            measurements=self.cleaned_data["measurements"],
            comment=self.cleaned_data["comment"],
            # A page always submits how many images it showed; if missing, it showed none.
            images=self.cleaned_data["images"] or 0,
            kind=self.cleaned_data["kind"],
            despite_reservation=self.cleaned_data["despite_reservation"],
            # Scripts that submit the form may not send it.
            version=self.cleaned_data["version"] if "version" in self.data else None,
            amends=self.cleaned_data["amends"],
            reason=self.cleaned_data["reason"] if self.cleaned_data["amends"] else "",
            identity=self.acknowledged_identity(),
            seen_identity=self.seen_identity(),
        )


def read_form(draft: Read | None, seen: uuid.UUID | None) -> ReadForm:
    """Return the form for a reader who sees the result `seen`, filled from their draft."""
    initial: dict[str, Any] = {
        "seen": seen,
        "marks": draft.marks if draft else [],
        "measurements": with_formatted_values(draft.measurements) if draft else [],
    }
    if draft is not None:
        initial["choice"] = f"{draft.decision}:{draft.pneumonia}" if draft.decision else ""
        initial["zones"] = draft.zones
        initial["other_findings"] = draft.other_findings
        initial["comment"] = draft.comment
    return ReadForm(initial=initial)


def amendment_form(
    begun: Read | None, amended: Read, seen: uuid.UUID | None, choices: dict[str, str]
) -> ReadForm:
    """Return the form for amending a signed read, filled from the draft, or else from that read.

    `choices` maps findings to choices: with another result the same finding is another decision.
    """
    form = read_form(begun or amended, seen)
    form.initial["amends"] = amended.pk
    form.initial["reason"] = begun.reason if begun else ""
    source = begun or amended
    form.initial["choice"] = choices.get(source.pneumonia, "") if source.decision else ""
    return form


class AddendumForm(IdentityFields):
    """An addendum to a signed read; `read` is the id of the one that was on the page."""

    read = forms.UUIDField(required=False, widget=forms.HiddenInput)
    images = forms.IntegerField(required=False, widget=forms.HiddenInput)
    despite_unseen = forms.BooleanField(required=False)
    reason = forms.CharField(
        label=_("Reason"),
        max_length=200,
        widget=forms.TextInput(attrs={"class": "form-control form-control-sm"}),
    )
    text = forms.CharField(
        label=_("Text"),
        max_length=10_000,
        widget=forms.Textarea(attrs={"rows": 3, "class": "form-control"}),
    )
    addendum_password = forms.CharField(
        label=_("Your password"),
        # Unless the browser has sent a passkey.
        required=False,
        strip=False,
        widget=forms.PasswordInput(
            attrs={
                "autocomplete": "new-password",
                "class": "form-control form-control-sm",
                "required": True,
            }
        ),
    )

    def clean_addendum_password(self) -> str:
        """Require the password unless a passkey was used."""
        password: str = self.cleaned_data["addendum_password"]
        if not password and not self.data.get(passkey_forms.FIELD):
            field = self.fields["addendum_password"]
            raise forms.ValidationError(field.error_messages["required"], code="required")
        return password

    def shown_fields(self) -> list[forms.BoundField]:
        """The text fields; the rest are beside the signature."""
        return [self[name] for name in ("reason", "text", "addendum_password")]


class StudyCaseRecordForm(forms.ModelForm[Study]):
    """A study's case record."""

    symptoms = forms.MultipleChoiceField(
        label=_("Symptoms"),
        choices=Symptom.choices,
        required=False,
        widget=forms.CheckboxSelectMultiple(attrs={"class": "form-check-input"}),
    )

    class Meta:
        model = Study
        fields = CASE_RECORD_FIELDS
        labels = {
            "indication": _("Indication"),
            "history": _("Relevant history"),
            "referring_physician": _("Referring clinician"),
            "referrer": _("Send the report to"),
            "accession_number": _("Accession number"),
            "description": _("Description"),
            "priority": _("Priority"),
        }
        widgets = {
            "description": forms.TextInput,
            "referring_physician": forms.TextInput,
            "indication": forms.Textarea(attrs={"rows": 2}),
            "history": forms.Textarea(attrs={"rows": 3}),
        }
        help_texts = {
            "referrer": _("Clinicians with an account are notified when the study is signed."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        referrer = self.fields["referrer"]
        assert isinstance(referrer, forms.ModelChoiceField)
        may_get_it = Q(is_active=True, roles__contains=[Role.REFERRER])
        may_get_it &= who_sees(self.instance.department_id)
        # The recorded one stays, also without an account or in another department by now.
        people = User.objects.filter(may_get_it | Q(pk=self.instance.referrer_id))
        referrer.queryset = people.order_by("full_name", "username")
        for name in ("indication", "history", "referring_physician"):
            # A recorded value, as from a file, may be longer, and may stay as it is.
            longest = max(LONGEST_TEXTS[name], len(self.initial.get(name, "")))
            self.fields[name].validators.append(MaxLengthValidator(longest))

    def clean_accession_number(self) -> str:
        """Reject an invalid accession number; a recorded one may stay as it is."""
        number: str = self.cleaned_data["accession_number"]
        if "accession_number" in self.changed_data:
            validate_identifier(number)
        return number
