"""Series, with their equipment."""

import uuid

from django.db import models
from django.db.models import Q

from webportal.records.models.studies import Study
from webportal.records.visibility import OfStudy


class Series(OfStudy):
    """Images of a study acquired together on one piece of equipment (PS3.3 C.7.3.1).

    The values are from the header of the first image received, as written there, and empty if it
    has none.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="series")
    series_instance_uid = models.CharField("Series Instance UID", max_length=64)
    number = models.IntegerField("Series Number", null=True, blank=True)
    description = models.TextField(blank=True)
    modality = models.CharField(max_length=16, blank=True)
    body_part = models.CharField("Body Part Examined", max_length=64, blank=True)
    laterality = models.CharField(max_length=16, blank=True)
    manufacturer = models.TextField(blank=True)
    model_name = models.TextField("Manufacturer's Model Name", blank=True)
    station_name = models.CharField(max_length=64, blank=True)
    ae_title = models.CharField(
        "AE title", max_length=64, blank=True, help_text="Of whoever sent or wrote the file."
    )
    institution = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "series"
        ordering = ["number", "created_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["study", "series_instance_uid"], name="series_once_per_study"
            ),
            models.CheckConstraint(
                condition=~Q(series_instance_uid=""), name="series_uid_not_empty"
            ),
        ]

    def __str__(self) -> str:
        return f"Series {self.id}"

    @property
    def equipment(self) -> str:
        """Manufacturer, model and station, as far as they are known."""
        return " · ".join(filter(None, [self.manufacturer, self.model_name, self.station_name]))
