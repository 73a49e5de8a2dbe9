"""Reasons in the language of the page."""

from django import template
from django.conf import settings
from django.utils.html import format_html
from django.utils.translation import get_language

from webportal.reasons import Reason

register = template.Library()


@register.filter
def render_reason(reason: Reason) -> str:
    """The reason in the language of the page, or marked as English if it has no other."""
    words = str(reason)
    if words and words == reason.english and get_language() != settings.LANGUAGE_CODE:
        return format_html('<span lang="en">{}</span>', words)
    return words
