"""Template tags for dates and a patient's sex.

Dates are in ISO 8601; readers of Nepali see the Bikram Sambat date beside it.
"""

from datetime import date, datetime

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from webportal.labels import label_of
from webportal.records.bikram_sambat import beside_iso, local_day, written_moment
from webportal.records.choices import Sex

register = template.Library()

SEX_LETTERS = {Sex.FEMALE: _("F"), Sex.MALE: _("M"), Sex.OTHER: _("O")}


@register.filter
def day(value: date | datetime | None) -> str:
    """A date, or the date of a datetime; "" for none."""
    return with_nepali(local_day(value).isoformat(), value) if value else ""


@register.filter
def moment(value: datetime | None) -> str:
    """A datetime to the minute; "" for none."""
    return with_nepali(f"{timezone.localtime(value):%Y-%m-%d %H:%M}", value) if value else ""


@register.filter
def moment_with_zone(value: datetime) -> str:
    """A datetime to the minute with its time zone, for exports."""
    return written_moment(value)


def with_nepali(iso: str, value: date | datetime) -> str:
    """A formatted date, for Nepali readers with the Bikram Sambat date in brackets."""
    nepali = beside_iso(value)
    if not nepali:
        return iso
    # May wrap between the two, and nowhere else.
    return format_html(
        '<span class="text-nowrap">{}</span> <span class="text-nowrap bikram-sambat">({})</span>',
        iso,
        nepali,
    )


@register.filter
def base_name(file_name: str) -> str:
    """The last part of a file's path, for rows with little room."""
    return file_name.rsplit("/", 1)[-1]


@register.filter
def sex_letter(sex: str) -> str:
    """The sex as one letter of the page's language, for rows with little room."""
    return str(SEX_LETTERS[Sex(sex)]) if sex in Sex.values else sex


@register.filter
def sex_label(sex: str) -> str:
    """The label for sex; values not defined by DICOM unchanged."""
    return label_of(Sex, sex)
