"""App configuration."""

from django.apps import AppConfig


class DeliveryConfig(AppConfig):
    """Delivery of results to other systems."""

    name = "webportal.delivery"
    label = "delivery"
    verbose_name = "Delivery of results"

    def ready(self) -> None:
        """Register the reasons of deliveries, and the receivers of signals."""
        from webportal.delivery import reasons, retractions  # noqa: F401
