"""Forms for DICOM nodes."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from webportal.accounts.departments import only_department
from webportal.accounts.models import Department
from webportal.addresses import AddressesField
from webportal.network.models import Node
from webportal.network.nodes import NodeError, read_ae_title


class NodeForm(forms.Form):
    """A new node."""

    ae_title = forms.CharField(
        label=_("AE title"), max_length=16, help_text=_("As it is set on the device.")
    )
    description = forms.CharField(label=_("Description"), max_length=100, required=False)
    addresses = AddressesField()
    port = forms.IntegerField(
        label=_("Port"),
        min_value=1,
        max_value=65535,
        required=False,
        help_text=_("On which the device listens. Chestline needs it to call the device."),
    )
    uses_tls = forms.BooleanField(
        label=_("Encrypt with TLS"),
        required=False,
        help_text=_("For connections from Chestline to the device. Enter its port for TLS above."),
    )
    certificate_name = forms.CharField(
        label=_("Name in its certificate"),
        max_length=253,
        required=False,
        help_text=_("Leave empty if the certificate was issued for the address itself."),
    )
    department = forms.ModelChoiceField(
        Department.objects.all(),
        label=_("Department"),
        help_text=_("New studies from this device belong to it."),
    )
    is_active = forms.BooleanField(label=_("May send"), required=False, initial=True)
    is_worklist = forms.BooleanField(
        label=_("Query it for orders (Modality Worklist)"),
        required=False,
        help_text=_("For each study with an accession number that comes without its order."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if only_department():
            del self.fields["department"]

    def clean_ae_title(self) -> str:
        """The title without its padding."""
        try:
            return read_ae_title(self.cleaned_data["ae_title"])
        except NodeError as error:
            raise forms.ValidationError(error.message) from None


class NodeChangeForm(NodeForm):
    """An existing node, whose AE title is fixed."""

    def __init__(self, *args: Any, node: Node, **kwargs: Any) -> None:
        kwargs["initial"] = {
            "description": node.description,
            "addresses": " ".join(node.addresses),
            "port": node.port,
            "uses_tls": node.uses_tls,
            "certificate_name": node.certificate_name,
            "is_active": node.is_active,
            "department": node.department_id,
            "is_worklist": node.is_worklist,
        }
        super().__init__(*args, **kwargs)
        del self.fields["ae_title"]
