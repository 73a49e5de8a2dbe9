"""App configuration."""

from django.apps import AppConfig


class ErasureConfig(AppConfig):
    """Erasure of patients and studies."""

    name = "webportal.erasure"
    label = "erasure"
    verbose_name = "Erasure"
