"""Assigns a series to every image, which DICOMweb needs to address it."""

from django.db import transaction
from django.db.models import QuerySet

from ml import images
from ml.errors import ImageError
from webportal.intake.pipeline.series import series_of
from webportal.records.files import StoredFileError, read_dicom
from webportal.records.models import Radiograph

_AT_ONCE = 100


def fill_in(radiographs: QuerySet[Radiograph]) -> None:
    """Record the series of images stored before series were recorded, from their headers."""
    missing = radiographs.filter(series=None).select_related("study")
    for radiograph in missing[:_AT_ONCE]:
        try:
            facts = images.describe(read_dicom(radiograph))
        except (StoredFileError, ImageError):
            continue
        with transaction.atomic():
            series = series_of(radiograph.study, facts)
            Radiograph.objects.filter(pk=radiograph.pk, series=None).update(series=series)
