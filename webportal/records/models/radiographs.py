"""Radiographs, and faults of stored files."""

import uuid

from django.db import models
from django.db.models import Q

from webportal.records.choices import FaultKind
from webportal.records.models.series import Series
from webportal.records.models.studies import Study
from webportal.records.visibility import OfStudy

SHA256_HEX = r"^[0-9a-f]{64}$"


class Radiograph(OfStudy):
    """One image of a study: the bytes as received and the DICOM instance made from them.

    Both are stored under their SHA-256; see webportal.intake.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="radiographs")
    sop_instance_uid = models.CharField("SOP Instance UID", max_length=64, unique=True)
    sop_class_uid = models.CharField("SOP Class UID", max_length=64)
    series = models.ForeignKey(
        Series,
        on_delete=models.PROTECT,
        related_name="radiographs",
        null=True,
        blank=True,
        help_text="None for images that were stored before series were recorded.",
    )
    instance_number = models.IntegerField("Instance Number", null=True, blank=True)
    acquired_at = models.DateTimeField(
        null=True, blank=True, help_text="Acquisition Date and Time, where the file gives both."
    )
    modality = models.CharField(max_length=16)
    # Header values on the image and the patient, as written there; unknown for files stored before
    # these columns were added.
    view_position = models.CharField(max_length=64, blank=True)
    body_part = models.CharField("Body Part Examined", max_length=64, blank=True)
    laterality = models.CharField("Image Laterality", max_length=16, blank=True)
    patient_age = models.CharField("Patient's Age", max_length=16, blank=True)
    codes = models.JSONField(
        default=list,
        help_text=(
            "Codes of view, view modifier, region and procedure: objects with `of`, `value`,"
            " `scheme` and `meaning`."
        ),
    )
    rows = models.PositiveIntegerField()
    columns = models.PositiveIntegerField()
    bits_stored = models.PositiveSmallIntegerField()
    media_type = models.CharField("media type of the original", max_length=32)
    original_sha256 = models.CharField(max_length=64, unique=True)
    original_key = models.CharField(max_length=200)
    original_bytes = models.PositiveBigIntegerField()
    dicom_sha256 = models.CharField(max_length=64)
    dicom_key = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["created_at", "id"]
        constraints = [
            models.CheckConstraint(condition=~Q(sop_instance_uid=""), name="radiograph_uid"),
            models.CheckConstraint(
                condition=Q(original_sha256__regex=SHA256_HEX) & Q(dicom_sha256__regex=SHA256_HEX),
                name="radiograph_hashes",
            ),
            models.CheckConstraint(
                condition=Q(rows__gte=1) & Q(columns__gte=1), name="radiograph_size"
            ),
            models.CheckConstraint(
                condition=Q(bits_stored__gte=1) & Q(bits_stored__lte=16), name="radiograph_bits"
            ),
            models.CheckConstraint(
                condition=Q(modality__in=["CR", "DX", "RG", "OT"]), name="radiograph_modality"
            ),
        ]

    def __str__(self) -> str:
        return f"Radiograph {self.id}"


class FileFault(OfStudy):
    """A missing or damaged stored file; open until the file is as recorded again.

    Written by webportal.records.file_faults alone.
    """

    study_path = "radiograph__study"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    key = models.CharField(max_length=200)
    kind = models.CharField(max_length=10, choices=FaultKind.choices)
    radiograph = models.ForeignKey(
        Radiograph, on_delete=models.PROTECT, null=True, blank=True, related_name="file_faults"
    )
    found_at = models.DateTimeField(auto_now_add=True)
    repaired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-found_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["key"], condition=Q(repaired_at=None), name="one_open_fault_of_a_file"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.key}"
