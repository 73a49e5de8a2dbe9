"""Reservations of studies by those who read them."""

from django.conf import settings
from django.db import models

from webportal.records.models import Study
from webportal.records.visibility import OfStudy


class Reservation(OfStudy):
    """Who is reading a study. It ends at `expires_at`, whether or not the row still exists.

    Written only by `webportal.review.reads.reservation`.
    """

    study = models.OneToOneField(
        Study, on_delete=models.CASCADE, primary_key=True, related_name="reservation"
    )
    reader = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="reservations"
    )
    reserved_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        ordering = ["reserved_at"]

    def __str__(self) -> str:
        return f"Reservation of {self.study_id}"
