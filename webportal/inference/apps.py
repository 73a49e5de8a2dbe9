"""App configuration."""

from django.apps import AppConfig


class InferenceConfig(AppConfig):
    """Inference."""

    name = "webportal.inference"
    label = "inference"
    verbose_name = "Inference"

    def ready(self) -> None:
        """Connect the signals, and register the reasons."""
        from webportal.inference import reasons, signals  # noqa: F401
