"""Forms of the destinations."""

import re
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from webportal.delivery.models import Content, Destination, Protocol, ResultsWhen
from webportal.network.nodes import NodeError, read_ae_title

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?")


class DestinationForm(forms.Form):
    """What every destination has."""

    protocol: Protocol
    contents: tuple[Content, ...] = tuple(Content)

    name = forms.CharField(label=_("Name"), max_length=60, help_text=_("As your people call it."))
    sends = forms.MultipleChoiceField(
        label=_("What it is sent"), choices=[], widget=forms.CheckboxSelectMultiple
    )
    results_when = forms.ChoiceField(
        label=_("When the model's results go there"),
        choices=ResultsWhen.choices,
        initial=ResultsWhen.CLOSED,
        widget=forms.RadioSelect,
    )

    def __init__(self, *args: Any, destination: Destination | None = None, **kwargs: Any) -> None:
        if destination is not None:
            fields = type(self).base_fields
            kwargs["initial"] = {name: getattr(destination, name) for name in fields}
        super().__init__(*args, **kwargs)
        sends = self.fields["sends"]
        assert isinstance(sends, forms.MultipleChoiceField)
        sends.choices = [(each.value, each.label) for each in self.contents]
        self.order_fields([*(name for name in self.fields if name not in _LAST), *_LAST])


_LAST = ("sends", "results_when")


class StoreForm(DestinationForm):
    """A PACS that is called over DICOM."""

    protocol = Protocol.DICOM

    ae_title = forms.CharField(
        label=_("AE title"), max_length=16, help_text=_("As it is set on the PACS.")
    )
    host = forms.CharField(
        label=_("Host"), max_length=253, help_text=_("Its name in the network, or its IP address.")
    )
    port = forms.IntegerField(label=_("Port"), min_value=1, max_value=65535, initial=104)
    uses_tls = forms.BooleanField(label=_("Encrypt by TLS"), required=False)

    def clean_ae_title(self) -> str:
        """The title without its padding."""
        try:
            return read_ae_title(self.cleaned_data["ae_title"])
        except NodeError as error:
            raise forms.ValidationError(error.message) from None

    def clean_host(self) -> str:
        """A name or an address, and nothing else."""
        host: str = self.cleaned_data["host"]
        if not _HOST.fullmatch(host):
            raise forms.ValidationError(
                _("Write the name or the IP address alone, such as pacs.hospital.example.")
            )
        return host


FORMS: dict[str, type[DestinationForm]] = {form.protocol: form for form in (StoreForm,)}
