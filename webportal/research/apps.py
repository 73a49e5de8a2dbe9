"""App configuration."""

from django.apps import AppConfig


class ResearchConfig(AppConfig):
    """Exports for research."""

    name = "webportal.research"
    label = "research"
    verbose_name = "Research"
