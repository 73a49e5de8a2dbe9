"""App configuration."""

from django.apps import AppConfig


class DeliveryConfig(AppConfig):
    """Sending results to other systems."""

    name = "webportal.delivery"
    label = "delivery"
    verbose_name = "Delivery of results"

    def ready(self) -> None:
        """Make the reasons of deliveries known."""
        from webportal.delivery import reasons  # noqa: F401
