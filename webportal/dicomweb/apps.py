"""App configuration."""

from django.apps import AppConfig


class DicomwebConfig(AppConfig):
    """DICOMweb."""

    name = "webportal.dicomweb"
    label = "dicomweb"
    verbose_name = "DICOMweb"
