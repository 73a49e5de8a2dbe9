"""App configuration."""

from django.apps import AppConfig


class ResearchConfig(AppConfig):
    """Research exports."""

    name = "webportal.research"
    label = "research"
    verbose_name = "Research"
