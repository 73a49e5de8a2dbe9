"""App configuration."""

from django.apps import AppConfig


class UpkeepConfig(AppConfig):
    """Storage maintenance."""

    name = "webportal.upkeep"
    label = "upkeep"
    verbose_name = "Upkeep of the storage"
