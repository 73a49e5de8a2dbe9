"""Stored reasons in the language of the page."""

from django import template
from django.conf import settings
from django.utils.html import format_html
from django.utils.translation import get_language

from webportal.intake import reasons

register = template.Library()


@register.filter
def in_words(reason: str) -> str:
    """The reason in the language of the page, or marked as the English that it is stored in."""
    words = reasons.in_words(reason)
    if words and words == reason and get_language() != settings.LANGUAGE_CODE:
        return format_html('<span lang="en">{}</span>', words)
    return words
