"""Template tags for erasure on the patient's page."""

from typing import Any

from django import template
from django.template import Context

from webportal.erasure import services
from webportal.erasure.models import REASON_LENGTH, REFERENCE_LENGTH
from webportal.records.models import Patient

register = template.Library()


@register.inclusion_tag("erasure/patient_erasure.html", takes_context=True)
def erasure_of(context: Context, patient: Patient) -> dict[str, Any]:
    """Context for the patient's open erasure, or for the form that requests one."""
    return {
        "patient": patient,
        "erasure": services.open_erasure_of(patient),
        "reason_length": REASON_LENGTH,
        "reference_length": REFERENCE_LENGTH,
        "csrf_token": context.get("csrf_token"),
    }


@register.simple_tag
def digest_of_due() -> str:
    """Digest of the studies due for erasure that the page lists."""
    return services.digest_of_due()
