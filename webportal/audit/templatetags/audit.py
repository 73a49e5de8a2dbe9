"""Template tags that put an entry's object and detail into words."""

from typing import Any

from django import template

from webportal.audit.messages import OBJECTS

register = template.Library()


@register.filter
def object_label(object_type: str) -> str:
    """What kind of thing an entry is about; a kind without a word as it is stored."""
    return str(OBJECTS.get(object_type, object_type))


@register.filter
def listed(value: Any) -> Any:
    """A list as its items with commas between them, an object with names; the rest as it is."""
    if isinstance(value, dict):
        return ", ".join(f"{name}: {text or '–'}" for name, text in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else value
