"""Re-evaluating results when patient or study changes.

Uses signals, so that no code path that corrects a birth date or moves a study can forget it.
"""

from typing import Any

from django.db.models.signals import post_save
from django.dispatch import receiver

from webportal.inference.purpose.keeping import reevaluate
from webportal.records.models import Patient, Study


@receiver(post_save, sender=Patient)
def patient_saved(
    instance: Patient, created: bool, update_fields: frozenset[str] | None, **_: Any
) -> None:
    """The birth date may have changed."""
    if not created and (update_fields is None or "birth_date" in update_fields):
        reevaluate(list(instance.studies.values_list("pk", flat=True)))


@receiver(post_save, sender=Study)
def study_saved(
    instance: Study, created: bool, update_fields: frozenset[str] | None, **_: Any
) -> None:
    """Its date or patient may have changed."""
    if not created and (update_fields is None or {"patient", "performed_at"} & update_fields):
        reevaluate([instance.pk])
