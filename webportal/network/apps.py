"""App configuration."""

from django.apps import AppConfig


class NetworkConfig(AppConfig):
    """The DICOM network."""

    name = "webportal.network"
    label = "network"
    verbose_name = "DICOM network"

    def ready(self) -> None:
        """Register the reasons why something waits for a node."""
        from webportal.network import reasons  # noqa: F401
