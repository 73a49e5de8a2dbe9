"""Database expressions for the shown result, as `ShownResult` has it for one row."""

from django.db.models import Case, CharField, F, Q, Value, When

from webportal.records.choices import Category, Purpose

_UNSHOWN = Q(purpose__in=(Purpose.OUTSIDE, Purpose.WITHHELD))


def shown_category() -> Case:
    """The category of a Prediction that people see and that counts."""
    return Case(
        When(category=Category.NOT_ASSESSABLE, then=F("category")),
        When(purpose=Purpose.WITHHELD, then=Value(Category.NOT_ASSESSABLE.value)),
        When(purpose=Purpose.OUTSIDE, then=Value(Category.OUTSIDE_PURPOSE.value)),
        default=F("category"),
        output_field=CharField(),
    )


def shown_probability() -> Case:
    """The figure of a Prediction that is shown beside its category, null where none is."""
    return Case(When(_UNSHOWN, then=Value(None)), default=F("probability"))
