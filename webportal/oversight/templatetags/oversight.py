"""Filters for figures with intervals."""

from django import template
from django.utils.translation import gettext as _

from webportal.inference.figures import percent
from webportal.oversight.shadow.comparison import Share
from webportal.oversight.statistics import Estimate

register = template.Library()


@register.filter
def share_with_interval(share: Share) -> str:
    """A share in per cent, with its interval."""
    low, high = share.interval
    return f"{percent(share.share)} ({100 * low:.1f}–{100 * high:.1f})"


@register.filter
def estimate(figure: Estimate) -> str:
    """A figure with three decimals, with its interval."""
    low, high = figure.interval
    return f"{figure.value:.3f} ({low:.3f}–{high:.3f})"


@register.filter
def signed_estimate(figure: Estimate) -> str:
    """A difference with its sign, with its interval."""
    low, high = figure.interval
    return _minus(f"{figure.value:+.3f} ({low:+.3f} … {high:+.3f})")


@register.filter
def shift_with_interval(figure: Estimate) -> str:
    """A shift of a score in percentage points, with its interval."""
    low, high = (100 * each for each in figure.interval)
    value = 100 * figure.value
    words = _("{points} points higher") if value >= 0 else _("{points} points lower")
    return _minus(words.format(points=f"{abs(value):.1f}") + f" ({low:+.1f} … {high:+.1f})")


def _minus(text: str) -> str:
    return text.replace("-", "−")
