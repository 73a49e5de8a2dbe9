"""Template tags for erasure on the patient's page."""

from typing import Any

from django import template
from django.template import Context

from webportal.accounts import separation
from webportal.erasure import services
from webportal.erasure.models import REASON_LENGTH, REFERENCE_LENGTH, Erasure
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


@register.simple_tag
def due_to_confirm() -> Erasure | None:
    """The erasure of due studies that has been requested."""
    return services.due_to_confirm()


@register.simple_tag
def erasing_takes_two() -> bool:
    """Whether another member of IT has to confirm the erasure of due studies."""
    return separation.is_enforced()
