"""App configuration."""

from django.apps import AppConfig


class DeliveryConfig(AppConfig):
    """Delivery of results to other systems."""

    name = "webportal.delivery"
    label = "delivery"
    verbose_name = "Delivery of results"

    def ready(self) -> None:
        """Register the reasons of deliveries."""
        from webportal.delivery import reasons  # noqa: F401
