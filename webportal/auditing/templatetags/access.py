"""Template filters that describe an entry of the access log in words."""

from collections.abc import Mapping

from django import template
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import ngettext

from webportal.access.models import AccessEntry
from webportal.auditing.accesses import role_labels, what
from webportal.records.models import Patient

register = template.Library()


@register.filter
def roles_in_words(entry: AccessEntry) -> str:
    """The roles in use."""
    return role_labels(entry.roles)


@register.filter
def access_in_words(entry: AccessEntry) -> str:
    """What was shown, or refused."""
    return what(entry.kind, entry.outcome)


@register.filter
def whom(entry: AccessEntry, patients: Mapping[int, Patient]) -> str:
    """The patient if it is one, otherwise the number of studies or patients."""
    patient = patients.get(entry.pk)
    if patient is not None:
        address = reverse("audit:accesses", query={"patient": patient.pk})
        return format_html('<a href="{}">{}</a>', address, patient)
    studies = len(entry.study_ids)
    if studies:
        return ngettext("%(count)d study", "%(count)d studies", studies) % {"count": studies}
    count = len(entry.patient_ids)
    if not count:
        return ""
    return ngettext("%(count)d patient", "%(count)d patients", count) % {"count": count}
