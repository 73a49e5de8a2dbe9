"""Before confirming an erasure, people read in words what it removes."""

from django.db.models import Model

from webportal.erasure.messages import KINDS
from webportal.erasure.rows import references_to
from webportal.intake.models import UploadBatch, UploadItem
from webportal.network.models import ReceivedInstance
from webportal.records.models import IdentityCorrection, Patient


def test_every_kind_of_row_that_can_go_has_a_name() -> None:
    waiting: list[type[Model]] = [
        Patient,
        IdentityCorrection,
        UploadItem,
        UploadBatch,
        ReceivedInstance,
    ]
    found: set[type[Model]] = set()
    while waiting:
        model = waiting.pop()
        if model not in found:
            found.add(model)
            waiting += [field.model for field in references_to(model)]
    assert {model._meta.label_lower for model in found} <= set(KINDS)
