"""Decides for all of DICOMweb which studies are visible to a caller."""

from django.db.models import Exists, OuterRef, QuerySet

from webportal.accounts.models import User
from webportal.records.models import Radiograph, Study


def visible_studies(person: User) -> QuerySet[Study]:
    """The studies with images that this person may see."""
    images = Radiograph.objects.filter(study=OuterRef("pk"))
    return Study.objects.visible_to(person).filter(Exists(images))
