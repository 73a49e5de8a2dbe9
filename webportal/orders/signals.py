"""Looking for orders again when a patient, or a study's patient or accession number, changes.

Uses signals, so that no code path that corrects one of them can forget it. New studies are linked
by intake, which appends what is to be audited itself.
"""

from typing import Any

from django.db import transaction
from django.db.models.signals import post_save
from django.dispatch import receiver

from webportal.audit.trail import append_all
from webportal.orders.linking import check_links, lock_numbers_of
from webportal.records.models import Patient, Study


@receiver(post_save, sender=Patient)
@transaction.atomic
def patient_saved(
    instance: Patient, created: bool, update_fields: frozenset[str] | None, **_: Any
) -> None:
    """The Patient ID, its issuer or the birth date may have changed."""
    fields = {"patient_id", "issuer", "birth_date", "is_temporary"}
    if not created and (update_fields is None or fields & update_fields):
        lock_numbers_of(instance)
        studies = Study.objects.filter(patient=instance).order_by("pk")
        events = [event for study in studies for event in check_links(study, was_moved=False)]
        append_all(events, None)


@receiver(post_save, sender=Study)
@transaction.atomic
def study_saved(
    instance: Study, created: bool, update_fields: frozenset[str] | None, **_: Any
) -> None:
    """Its patient or accession number may have changed."""
    if not created and (update_fields is None or {"patient", "accession_number"} & update_fields):
        moved = update_fields is None or "patient" in update_fields
        append_all(check_links(instance, was_moved=moved), None)
