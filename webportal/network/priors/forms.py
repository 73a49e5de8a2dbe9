"""The form of what is fetched from a node."""

from django import forms

from webportal.network.models import PriorSource
from webportal.network.priors.sources import FIELDS


class PriorSourceForm(forms.ModelForm[PriorSource]):
    """Whether earlier studies are fetched from a node, by what, and how many."""

    class Meta:
        model = PriorSource
        fields = FIELDS
