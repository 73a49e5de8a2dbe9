"""App configuration."""

from django.apps import AppConfig


class NetworkConfig(AppConfig):
    """The DICOM network."""

    name = "webportal.network"
    label = "network"
    verbose_name = "DICOM network"
