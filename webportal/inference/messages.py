"""Texts by code, in the page's language."""

from django.utils.translation import gettext_lazy as _

# How an image may have been altered before assessment; see ml.serving.assessment.
CORRECTIONS = {
    "inverted": _("inverting the grey values"),
    "rotated_90_clockwise": _("rotating it by 90° clockwise"),
    "rotated_180": _("rotating it by 180°"),
    "rotated_90_counterclockwise": _("rotating it by 90° anticlockwise"),
}
