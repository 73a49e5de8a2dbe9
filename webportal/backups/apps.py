"""App configuration."""

from django.apps import AppConfig


class BackupsConfig(AppConfig):
    """Backups and restoring them."""

    name = "webportal.backups"
    label = "backups"
    verbose_name = "Backups"
