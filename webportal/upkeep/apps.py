"""App configuration."""

from django.apps import AppConfig


class UpkeepConfig(AppConfig):
    """The upkeep of the storage."""

    name = "webportal.upkeep"
    label = "upkeep"
    verbose_name = "Upkeep of the storage"
