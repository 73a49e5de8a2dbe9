"""Legal holds on the patient's page."""

from typing import Any

from django import template
from django.db.models import Q
from django.template import Context

from webportal.records.models import Patient
from webportal.retention import holds
from webportal.retention.models import REASON_LENGTH

register = template.Library()


@register.inclusion_tag("retention/patient_holds.html", takes_context=True)
def legal_holds(context: Context, patient: Patient) -> dict[str, Any]:
    """The open holds of a patient, and the form to place one."""
    visible = patient.studies.visible_to(context["request"].user)
    found = holds.holds_of(patient).filter(Q(study=None) | Q(study__in=visible))
    return {
        "patient": patient,
        "holds": found.select_related("study", "placed_by"),
        "studies": visible.order_by("-created_at"),
        "reason_length": REASON_LENGTH,
        "csrf_token": context.get("csrf_token"),
    }
