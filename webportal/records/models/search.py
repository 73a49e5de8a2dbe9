"""The text by which studies are searched."""

from django.contrib.postgres.indexes import GinIndex
from django.db import models

from webportal.records.models.studies import Study
from webportal.records.visibility import OfStudy


class StudySearch(OfStudy):
    """Search text of a study: its patient's name and ID, and its accession number.

    Lowercase without accents, with a blank before each word. Written only by triggers (see the
    migration), and separate from the study because otherwise every change of a study's row would
    update the trigram index.
    """

    study = models.OneToOneField(
        Study, on_delete=models.CASCADE, primary_key=True, related_name="search"
    )
    text = models.TextField()

    class Meta:
        verbose_name_plural = "study searches"
        indexes = [
            # No pending list: every search would have to scan it.
            GinIndex(
                fields=["text"],
                opclasses=["gin_trgm_ops"],
                fastupdate=False,
                name="study_search_text",
            ),
        ]

    def __str__(self) -> str:
        return f"Words of study {self.study_id}"
