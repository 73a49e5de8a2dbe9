"""App configuration."""

from django.apps import AppConfig


class InferenceConfig(AppConfig):
    """Inference."""

    name = "webportal.inference"
    label = "inference"
    verbose_name = "Inference"

    def ready(self) -> None:
        """Connect the signals."""
        from webportal.inference import signals  # noqa: F401
