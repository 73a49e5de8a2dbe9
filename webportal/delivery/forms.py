"""Forms of the destinations."""

import re
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from webportal.delivery.models import Content, Destination, Protocol, ResultsWhen
from webportal.network.nodes import NodeError, read_ae_title

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?")


class DestinationForm(forms.Form):
    """The fields common to all destinations."""

    protocol: Protocol
    contents: tuple[Content, ...] = tuple(Content)
    # `sends` and `results_when` come last.
    field_order = (
        *("name", "ae_title", "host", "port", "uses_tls", "certificate_name"),
        *("url", "token", "confirms"),
    )

    name = forms.CharField(
        label=_("Name"), max_length=60, help_text=_("The name people use for it.")
    )
    sends = forms.MultipleChoiceField(
        label=_("What to send"),
        choices=[],
        widget=forms.CheckboxSelectMultiple,
    )
    results_when = forms.ChoiceField(
        label=_("When to send model results"),
        choices=ResultsWhen.choices,
        initial=ResultsWhen.CLOSED,
        widget=forms.RadioSelect,
    )

    def __init__(self, *args: Any, destination: Destination | None = None, **kwargs: Any) -> None:
        if destination is not None:
            fields = set(type(self).base_fields) - {"token"}
            kwargs["initial"] = {name: getattr(destination, name) for name in fields}
        self.destination = destination
        super().__init__(*args, **kwargs)
        sends = self.fields["sends"]
        assert isinstance(sends, forms.MultipleChoiceField)
        sends.choices = [(each.value, each.label) for each in self.contents]


class ConfirmingForm(DestinationForm):
    """A destination that can say what it has stored."""

    confirms_help: str | Promise

    confirms = forms.BooleanField(label=_("Confirm storage"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["confirms"].help_text = str(self.confirms_help)


class HostForm(DestinationForm):
    """The fields of a destination at a host and port."""

    usual_port: int

    host = forms.CharField(label=_("Host"), max_length=253, help_text=_("Host name or IP address."))
    port = forms.IntegerField(label=_("Port"), min_value=1, max_value=65535)
    uses_tls = forms.BooleanField(label=_("Encrypt with TLS"), required=False)
    certificate_name = forms.CharField(
        label=_("Name in its certificate"),
        max_length=253,
        required=False,
        help_text=_("Leave empty if the certificate was issued for the address itself."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["port"].initial = self.usual_port

    def clean_host(self) -> str:
        """Accept only a host name or an IP address."""
        host: str = self.cleaned_data["host"]
        if not _HOST.fullmatch(host) or ".." in host:
            raise forms.ValidationError(
                _("Enter only the host name or IP address, such as pacs.hospital.example.")
            )
        return host


class StoreForm(HostForm, ConfirmingForm):
    """A PACS reached over DICOM (C-STORE)."""

    protocol = Protocol.DICOM
    usual_port = 104
    confirms_help = _(
        "A document counts as delivered only once the PACS has confirmed by storage commitment that"
        " it is stored. If the PACS reports it missing, it is sent again."
    )

    ae_title = forms.CharField(
        label=_("AE title"), max_length=16, help_text=_("As configured on the PACS.")
    )

    def clean_ae_title(self) -> str:
        """The title without its padding."""
        try:
            return read_ae_title(self.cleaned_data["ae_title"])
        except NodeError as error:
            raise forms.ValidationError(error.message) from None


class UrlForm(DestinationForm):
    """The fields of a destination at a URL."""

    url_help: str | Promise

    url = forms.URLField(
        label=_("URL"),
        max_length=500,
        assume_scheme="https",
        widget=forms.URLInput(attrs={"class": "form-control"}),
    )
    token = forms.CharField(
        label=_("Bearer token"),
        max_length=4000,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("If required. It is stored encrypted; leave empty to keep the present one."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["url"].help_text = str(self.url_help)

    def clean_url(self) -> str:
        """An HTTP or HTTPS URL without credentials."""
        url: str = self.cleaned_data["url"]
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or "@" in parts.netloc:
            raise forms.ValidationError(
                _("Enter an address that begins with https:// and contains no password.")
            )
        return url

    def clean(self) -> dict[str, Any]:
        """Require the token again for a new URL: it is only sent where it was meant to go."""
        values = super().clean() or {}
        known = self.destination
        moves = known is not None and known.secret and values.get("url") != known.url
        if moves and not values.get("token"):
            self.add_error("token", _("The address has changed: enter the token again."))
        return values


class StowForm(UrlForm, ConfirmingForm):
    """A DICOMweb server."""

    protocol = Protocol.DICOMWEB
    confirms_help = _(
        "A document counts as delivered only once a search (QIDO-RS) finds it there. If it is"
        " missing, it is sent again."
    )
    url_help = _(
        "The address of the DICOMweb service, such as https://pacs.hospital.example/dicom-web."
    )


class FhirForm(UrlForm):
    """A FHIR server."""

    protocol = Protocol.FHIR
    contents = (Content.READS, Content.RESULTS)
    url_help = _("The base URL of the FHIR R4 server, such as https://ehr.hospital.example/fhir.")


class MllpForm(HostForm):
    """A system that accepts HL7 v2 messages; it gets only signed reads."""

    protocol = Protocol.HL7
    usual_port = 2575
    contents = (Content.READS,)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["results_when"]


FORMS: dict[str, type[DestinationForm]] = {
    form.protocol: form for form in (StoreForm, StowForm, MllpForm, FhirForm)
}
