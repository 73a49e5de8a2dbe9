"""The form for fetching earlier studies from a node."""

from django import forms

from webportal.network.models import PriorSource
from webportal.network.priors.sources import FIELDS


class PriorSourceForm(forms.ModelForm[PriorSource]):
    """Whether earlier studies are fetched from a node, by which protocol, and how many."""

    class Meta:
        model = PriorSource
        fields = FIELDS
