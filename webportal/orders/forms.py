"""Forms for the systems that send orders."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from webportal.accounts.departments import only_department
from webportal.accounts.models import Department
from webportal.addresses import AddressesField
from webportal.orders.models import AccessionIn, CharacterSet, OrderSource


class SourceForm(forms.Form):
    """A new system."""

    name = forms.CharField(label=_("Name"), max_length=40)
    addresses = AddressesField()
    accession_in = forms.ChoiceField(label=_("Accession number"), choices=AccessionIn.choices)
    character_set = forms.ChoiceField(
        label=_("Character set"),
        choices=CharacterSet.choices,
        required=False,
        help_text=_("For messages that name none (MSH-18)."),
    )
    departments = forms.ModelMultipleChoiceField(
        Department.objects.all(),
        label=_("Departments"),
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Their members see its orders before there is a study."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if only_department():
            del self.fields["departments"]


class SourceChangeForm(SourceForm):
    """An existing system, whose name is fixed."""

    is_active = forms.BooleanField(label=_("May send"), required=False)

    def __init__(self, *args: Any, source: OrderSource, **kwargs: Any) -> None:
        kwargs["initial"] = {
            "addresses": " ".join(source.addresses),
            "accession_in": source.accession_in,
            "character_set": source.character_set,
            "departments": source.departments.all(),
            "is_active": source.is_active,
        }
        super().__init__(*args, **kwargs)
        del self.fields["name"]
