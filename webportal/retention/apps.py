"""App configuration."""

from django.apps import AppConfig


class RetentionConfig(AppConfig):
    """Retention of studies."""

    name = "webportal.retention"
    label = "retention"
    verbose_name = "Retention"

    def ready(self) -> None:
        """Connect holds to moves of studies."""
        from webportal.records.services import study_moved
        from webportal.retention.holds import follow

        study_moved.connect(follow)
