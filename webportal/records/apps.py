"""App configuration."""

from django.apps import AppConfig


class RecordsConfig(AppConfig):
    """Records."""

    name = "webportal.records"
    label = "records"
    verbose_name = "Records"
