"""Template tags of the intake pages."""

from collections.abc import Mapping
from typing import Any

from django import template

register = template.Library()


@register.filter
def of(values: Mapping[Any, Any], key: Any) -> Any:
    """The value for a key, None if there is none."""
    return values.get(key)
