"""App configuration."""

from django.apps import AppConfig


class RetentionConfig(AppConfig):
    """How long studies are kept."""

    name = "webportal.retention"
    label = "retention"
    verbose_name = "Retention"
