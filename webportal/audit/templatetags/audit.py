"""How an entry's detail is put into words."""

from typing import Any

from django import template

register = template.Library()


@register.filter
def listed(value: Any) -> Any:
    """A list as its items with commas between them; anything else as it is."""
    return ", ".join(map(str, value)) if isinstance(value, list) else value
