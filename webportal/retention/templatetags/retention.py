"""Legal holds on the patient's page."""

from typing import Any

from django import template
from django.template import Context

from webportal.records.models import Patient
from webportal.retention import holds
from webportal.retention.models import REASON_LENGTH

register = template.Library()


@register.inclusion_tag("retention/patient_holds.html", takes_context=True)
def legal_holds(context: Context, patient: Patient) -> dict[str, Any]:
    """The open holds of a patient, and the form to place one."""
    return {
        "patient": patient,
        "holds": holds.holds_of(patient).select_related("study", "placed_by"),
        "studies": patient.studies.order_by("-created_at"),
        "reason_length": REASON_LENGTH,
        "csrf_token": context.get("csrf_token"),
    }
