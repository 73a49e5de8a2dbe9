"""Template tags that put an entry's object and detail into words."""

import re
from typing import Any

from django import template

from webportal.audit.messages import OBJECTS

register = template.Library()
_SHA256 = re.compile(r"[0-9a-f]{64}")


@register.filter
def object_label(object_type: str) -> str:
    """The name of the kind of object an entry is about; an unknown kind as stored."""
    return str(OBJECTS.get(object_type, object_type))


@register.filter
def listed(value: Any) -> Any:
    """A list as comma-separated items, an object with its keys; anything else unchanged.

    For a list of lists, and for lists in an object, only their length: erasures list many ids.
    """
    if isinstance(value, dict):
        return ", ".join(
            f"{name}: {len(text) if isinstance(text, list) else text or '–'}"
            for name, text in value.items()
        )
    if isinstance(value, list) and value and isinstance(value[0], list):
        return len(value)
    return ", ".join(map(str, value)) if isinstance(value, list) else value


@register.filter
def is_hash(value: Any) -> bool:
    """Whether a value is a SHA-256, of which the page shows only the beginning."""
    return isinstance(value, str) and _SHA256.fullmatch(value) is not None
