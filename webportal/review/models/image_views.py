"""Which images a reader has had on the screen."""

from django.conf import settings
from django.db import models

from webportal.records.models import Radiograph
from webportal.records.visibility import OfStudy


class ImageView(OfStudy):
    """The first time an image was on a reader's screen; the trail has every time.

    Written only by `webportal.review.reads.viewing`.
    """

    study_path = "radiograph__study"

    reader = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="image_views",
        db_index=False,  # covered by the constraint's index
    )
    radiograph = models.ForeignKey(Radiograph, on_delete=models.PROTECT, related_name="views")
    first_at = models.DateTimeField()

    class Meta:
        ordering = ["first_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["reader", "radiograph"], name="one_first_view_per_reader_and_image"
            ),
        ]

    def __str__(self) -> str:
        return f"View of {self.radiograph_id}"
