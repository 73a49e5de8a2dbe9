"""App configuration."""

from django.apps import AppConfig


class ReviewConfig(AppConfig):
    """Review."""

    name = "webportal.review"
    label = "review"
    verbose_name = "Review"
