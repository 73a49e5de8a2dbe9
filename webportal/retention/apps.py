"""App configuration."""

from django.apps import AppConfig


class RetentionConfig(AppConfig):
    """Retention of studies."""

    name = "webportal.retention"
    label = "retention"
    verbose_name = "Retention"
