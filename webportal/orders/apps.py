"""App configuration."""

from django.apps import AppConfig


class OrdersConfig(AppConfig):
    """Orders from the hospital's information systems."""

    name = "webportal.orders"
    label = "orders"
    verbose_name = "Orders"

    def ready(self) -> None:
        """Register the reasons, and connect to changes of patients and studies."""
        from webportal.orders import reasons, signals  # noqa: F401
