"""Database expressions for the displayed result, matching `ShownResult` in Python."""

from django.db.models import Case, CharField, F, Q, Value, When

from webportal.records.choices import Category, Purpose

_UNSHOWN = Q(purpose__in=(Purpose.OUTSIDE, Purpose.WITHHELD))


def shown_category() -> Case:
    """The displayed and effective category of a Prediction."""
    return Case(
        When(category=Category.NOT_ASSESSABLE, then=F("category")),
        When(purpose=Purpose.WITHHELD, then=Value(Category.NOT_ASSESSABLE.value)),
        When(purpose=Purpose.OUTSIDE, then=Value(Category.OUTSIDE_PURPOSE.value)),
        default=F("category"),
        output_field=CharField(),
    )


def shown_probability() -> Case:
    """The displayed probability of a Prediction, null if none."""
    return Case(When(_UNSHOWN, then=Value(None)), default=F("probability"))
