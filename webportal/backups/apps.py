"""App configuration."""

from django.apps import AppConfig

from webportal.erasure.signals import writing_to_repository


class BackupsConfig(AppConfig):
    """Backups and restoring them."""

    name = "webportal.backups"
    label = "backups"
    verbose_name = "Backups"

    def ready(self) -> None:
        """Have erasures check the repository before they rely on it."""
        from webportal.backups import repository

        writing_to_repository.connect(repository.refuse_if_away)
